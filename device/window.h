/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the windows of a context, mapped into user space.
 */
#ifndef GOPHERSHIP_DEVICE_WINDOW_H
#define GOPHERSHIP_DEVICE_WINDOW_H

#include "device/types.h"

struct vm_area_struct;

u32 gophership_window_slots(const struct gophership_context *context, unsigned int class);
u64 gophership_window_offset(unsigned int class, u32 slot);
int gophership_window_mmap(struct file *file, struct vm_area_struct *vma);
void gophership_window_unmap(struct gophership_context *context, struct gophership_loan **loans,
			     unsigned int nr);

#endif /* GOPHERSHIP_DEVICE_WINDOW_H */
