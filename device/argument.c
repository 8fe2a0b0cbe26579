// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the structures that ioctl commands carry.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "device/argument.h"

/**
 * gophership_argument() - read a structure whose first field is its size
 * @to: where to
 * @size: bytes of the structure as this kernel knows it
 * @size_ver0: bytes of it as it was first published
 * @arg: where from; the program may know a smaller or a larger version
 *
 * Context: process, may sleep.
 * Return: the size that the program knows; -EFAULT; -EINVAL if that is below
 * @size_ver0; -E2BIG if it is above @size and the rest is not zero.
 */
ssize_t gophership_argument(void *to, size_t size, size_t size_ver0, const void __user *arg)
{
	u32 user_size;
	int ret;

	if (get_user(user_size, (const u32 __user *)arg))
		return -EFAULT;
	if (user_size < size_ver0)
		return -EINVAL;
	if (user_size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(to, size, arg, user_size);
	if (ret)
		return ret;
	return user_size;
}
