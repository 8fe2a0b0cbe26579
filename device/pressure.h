/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the page that tells user space of memory pressure.
 */
#ifndef GOPHERSHIP_DEVICE_PRESSURE_H
#define GOPHERSHIP_DEVICE_PRESSURE_H

struct vm_area_struct;

int gophership_pressure_init(void);
void gophership_pressure_exit(void);
int gophership_pressure_mmap(struct vm_area_struct *vma);

#endif /* GOPHERSHIP_DEVICE_PRESSURE_H */
