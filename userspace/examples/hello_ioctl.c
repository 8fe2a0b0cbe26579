// SPDX-License-Identifier: GPL-2.0
/* A buffer without the library, by the device alone: cc -I../../uapi hello_ioctl.c */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/gophership.h>

int main(void)
{
	struct gophership_lease lease;
	struct gophership_acquire acquire = { .size = sizeof(acquire), .min_size = 4096,
					      .count = 1, .leases = (uintptr_t)&lease };
	struct gophership_release release = { .size = sizeof(release), .count = 1,
					      .handles = (uintptr_t)&lease.handle };
	int fd = open("/dev/gophership", O_RDWR | O_CLOEXEC);
	char *data;

	if (fd < 0 || ioctl(fd, GOPHERSHIP_IOC_ACQUIRE, &acquire))
		err(1, "cannot borrow a buffer from /dev/gophership");
	data = mmap(NULL, lease.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, lease.offset);
	if (data == MAP_FAILED)
		err(1, "cannot map it");
	snprintf(data, lease.capacity, "Hello from a borrowed buffer of %u bytes!", lease.capacity);
	puts(data);
	if (ioctl(fd, GOPHERSHIP_IOC_RELEASE, &release))
		err(1, "cannot give it back");
	return 0;	/* the mapping is dead: touching data now is SIGBUS */
}
