/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the structures that ioctl commands carry.
 */
#ifndef GOPHERSHIP_DEVICE_ARGUMENT_H
#define GOPHERSHIP_DEVICE_ARGUMENT_H

#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/types.h>

/* The size in a command is not looked at: the structures carry their own. */
#define GOPHERSHIP_COMMAND(cmd)	((cmd) & ~IOCSIZE_MASK)

/* The address that @value carries, or NULL if it is beyond any address. */
static inline void __user *gophership_user_pointer(u64 value)
{
	return value == (unsigned long)value ? u64_to_user_ptr(value) : NULL;
}

ssize_t gophership_argument(void *to, size_t size, size_t size_ver0, const void __user *arg);

#endif /* GOPHERSHIP_DEVICE_ARGUMENT_H */
