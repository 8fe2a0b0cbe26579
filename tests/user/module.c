// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "module.h"

int module_load(int file)
{
	return syscall(SYS_finit_module, file, "", 0) ? -errno : 0;
}

int module_unload(unsigned int tries, unsigned long *refusals)
{
	while (syscall(SYS_delete_module, "gophership", O_NONBLOCK)) {
		if ((errno != EAGAIN && errno != EBUSY) || !tries--)
			return -errno;
		++*refusals;
		usleep(100);
	}
	return 0;
}
