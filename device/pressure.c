// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the page that tells user space of memory pressure.
 *
 * What is on lease is out of the shrinker's reach, but a program that has
 * buffers lying idle can give them back if it is told. One page for the whole
 * machine, which every context can map and only the kernel can write; to read it
 * costs no system call.
 */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <uapi/linux/gophership.h>

#include "device/pressure.h"
#include "gophership_compat.h"
#include "pool/reclaim.h"

/* User space reads the line all the time; do not write it more often. */
#define RAISE_PERIOD	(HZ / 10)
/* Memory is short when less than this share of it is available, and less than so much. */
#define SHORT_SHARE	16
#define SHORT_PAGES	((unsigned long)SZ_1G >> PAGE_SHIFT)

/* One page; its events are written by the winner of a RAISE_PERIOD alone. */
static struct gophership_pressure *pressure;
static atomic_long_t last_raise;	/* jiffies */

/*
 * Reclaim alone is no shortage: a file that is larger than memory keeps it at work for
 * as long as the file is read, with most of memory available. The kernel's estimate has
 * the high watermarks and reserves of all zones taken off already, and counts the files
 * that reclaim can drop. It is about 0 when the OOM killer begins, so that the bound is
 * met long before, on a small machine, too. A large one whose memory is in use on purpose
 * (huge pages, a database) has more than enough with the second bound.
 */
static bool memory_is_short(void)
{
	return si_mem_available() < (long)min(totalram_pages() / SHORT_SHARE, SHORT_PAGES);
}

/* Reclaim looks for memory: tell user space if it is short. Context: any. */
static void raise(void)
{
	/*
	 * (K) Before jiffies, which must not be the older one of the two: pairs with (K), the
	 * exchange below.
	 */
	unsigned long last = atomic_long_read_acquire(&last_raise);
	unsigned long now = jiffies;

	/* Not time_before(): half the range of jiffies may go by without one. */
	if (now - last < RAISE_PERIOD || !memory_is_short())
		return;
	/* (K) After jiffies: pairs with (K), the acquire above. */
	if (atomic_long_cmpxchg(&last_raise, last, now) == last)
		WRITE_ONCE(pressure->events, pressure->events + 1);
}

/**
 * gophership_pressure_mmap() - map the page
 * @vma: the mapping to be
 *
 * Context: process, mmap_lock held for writing.
 * Return: 0; -EINVAL for anything but one page, MAP_SHARED; -EACCES for
 * PROT_WRITE or PROT_EXEC.
 */
int gophership_pressure_mmap(struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MAYSHARE) || vma_pages(vma) != 1)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;

	/* Never writable: mprotect() asks for VM_MAYWRITE. */
	gophership_vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
				VM_MAYWRITE | VM_MAYEXEC);
	return vm_insert_page(vma, vma->vm_start, virt_to_page(pressure));
}

int __init gophership_pressure_init(void)
{
	pressure = (void *)get_zeroed_page(GFP_KERNEL);
	if (!pressure)
		return -ENOMEM;
	pressure->size = sizeof(*pressure);
	atomic_long_set(&last_raise, jiffies - RAISE_PERIOD);
	gophership_reclaim_notify(raise);
	return 0;
}

/* Mappings hold the module, so there are none; a pin keeps the page alone. */
void gophership_pressure_exit(void)
{
	free_page((unsigned long)pressure);
}
