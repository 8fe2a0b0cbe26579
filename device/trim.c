// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: GOPHERSHIP_IOC_TRIM: all that lies idle goes back at once.
 */
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include <uapi/linux/gophership.h>

#include "device/argument.h"
#include "device/idle.h"
#include "device/trim.h"
#include "pool/reclaim.h"

/* The size of the structure as it was first published. */
#define TRIM_SIZE_VER0		16

static_assert(sizeof(struct gophership_trim) >= TRIM_SIZE_VER0);

/**
 * gophership_ioctl_trim() - GOPHERSHIP_IOC_TRIM
 * @arg: struct gophership_trim, in and out
 *
 * It slows all users of all pools for a while, and so wants privilege over the machine.
 *
 * Context: process, may sleep; waits for grace periods.
 * Return: 0, or an error as told there.
 */
long gophership_ioctl_trim(void __user *arg)
{
	struct gophership_trim trim;
	unsigned long pages;
	ssize_t size;

	size = gophership_argument(&trim, sizeof(trim), TRIM_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (trim.flags)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	pages = gophership_idle_trim();
	pages += gophership_reclaim_trim();
	trim = (struct gophership_trim) {
		.size = sizeof(trim),
		.bytes = (u64)pages << PAGE_SHIFT,
	};
	return copy_to_user(arg, &trim, min_t(size_t, size, sizeof(trim))) ? -EFAULT : 0;
}
