/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the page that tells user space of memory pressure.
 */
#ifndef GOPHERSHIP_PRESSURE_H
#define GOPHERSHIP_PRESSURE_H

struct vm_area_struct;

/* Where the page is in every context's file: before the first window. */
#define GOPHERSHIP_PRESSURE_OFFSET	0ULL

int gophership_pressure_init(void);
void gophership_pressure_exit(void);
void gophership_pressure_raise(void);
int gophership_pressure_mmap(struct vm_area_struct *vma);

#endif /* GOPHERSHIP_PRESSURE_H */
