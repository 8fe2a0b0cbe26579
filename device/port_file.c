// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: ports, the program's side: the file of a port.
 *
 * The file has three maps, one after the other: the bank, the deliver map, the submit
 * map. Faults install the pages. Every PTE has a reference of its own to its page, and every
 * mapping has one to the file. So nothing here is counted per mapping, and the kernel alone
 * cares for fork (by MADV_DOFORK), mremap, a split and MADV_DONTNEED. The port is there until
 * the last mapping is gone. Therefore it needs no unmapping, and no address space of its own.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>
#include <linux/vmalloc.h>

#include "device/argument.h"
#include "device/export.h"
#include "device/port.h"
#include "gophership_compat.h"

/* The size of the structure as it was first published. */
#define SETUP_SIZE_VER0		80

static_assert(sizeof(struct gophership_port_setup) >= SETUP_SIZE_VER0);

/* Pages around a fault that are mapped with it. */
#define AROUND		64UL

/* Of each of the two maps. */
static unsigned long ring_pages(const struct gophership_port *port)
{
	return gophership_ring_size(port->deliver.mask + 1) >> PAGE_SHIFT;
}

static struct page *page_at(const struct gophership_port *port, unsigned long pgoff)
{
	if (pgoff < gophership_bank_pages(&port->bank))
		return gophership_bank_page(&port->bank, pgoff);
	pgoff -= gophership_bank_pages(&port->bank);
	if (pgoff < ring_pages(port))
		return vmalloc_to_page((void *)port->deliver_map + (pgoff << PAGE_SHIFT));
	pgoff -= ring_pages(port);
	if (pgoff < ring_pages(port))
		return vmalloc_to_page((void *)port->submit_map + (pgoff << PAGE_SHIFT));
	return NULL;
}

static int insert_page(struct vm_area_struct *vma, unsigned long pgoff)
{
	struct gophership_port *port = vma->vm_file->private_data;
	struct page *page = page_at(port, pgoff);

	if (!page)
		return -EFAULT;
	if (PageHWPoison(page))
		return -EHWPOISON;
	return vm_insert_page(vma, vma->vm_start + ((pgoff - vma->vm_pgoff) << PAGE_SHIFT), page);
}

/* Context: mmap_lock or the VMA's lock held for reading; may sleep. */
static vm_fault_t port_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long pgoff = max(vmf->pgoff & ~(AROUND - 1), vma->vm_pgoff);
	unsigned long end = min((vmf->pgoff | (AROUND - 1)) + 1, vma->vm_pgoff + vma_pages(vma));
	int ret;

	/* A marker of it would look like another thread's page: see window_fault(). */
	if (userfaultfd_armed(vma))
		return VM_FAULT_SIGBUS;
	ret = insert_page(vma, vmf->pgoff);
	if (ret == -EHWPOISON)
		return VM_FAULT_HWPOISON;
	/* Busy: another thread was faster. */
	if (ret && ret != -EBUSY)
		return vmf_error(ret);

	/* Best effort: what fails here faults again. */
	for (; pgoff < end; pgoff++)
		if (pgoff != vmf->pgoff)
			insert_page(vma, pgoff);
	return VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct port_vm_ops = {
	.fault = port_fault,
};

/* Does the VMA lie in the @pages pages from @first on, as a whole? */
static bool covers(struct vm_area_struct *vma, unsigned long first, unsigned long pages)
{
	return vma->vm_pgoff >= first && vma->vm_pgoff - first < pages &&
	       vma_pages(vma) <= pages - (vma->vm_pgoff - first);
}

/*
 * Never executable: the bytes come from the driver. The deliver map can never become
 * writable, not for ptrace or /proc/PID/mem, either.
 */
static int port_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct gophership_port *port = file->private_data;
	unsigned long deliver = gophership_bank_pages(&port->bank);
	unsigned long submit = deliver + ring_pages(port);
	unsigned long clear = VM_MAYEXEC;

	/* Not VM_SHARED: see gophership_window_mmap(). */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (covers(vma, deliver, ring_pages(port))) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		clear |= VM_MAYWRITE;
	} else if (!covers(vma, 0, deliver) && !covers(vma, submit, ring_pages(port))) {
		return -EINVAL;
	}
	gophership_vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
				clear);
	vma->vm_ops = &port_vm_ops;
	return 0;
}

static __poll_t port_poll(struct file *file, poll_table *wait)
{
	struct gophership_port *port = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &port->wait, wait);
	/* (J) pairs with (J) in wait_for_more() and published(): see them, or be seen by them. */
	smp_mb();
	if (gophership_ring_ready(&port->deliver, READ_ONCE(port->submit_map->consumed)))
		events |= EPOLLIN | EPOLLRDNORM;
	if (gophership_port_starved(port))
		events |= EPOLLPRI;
	/* (F) pairs with (F) in gophership_port_put(). */
	if (test_bit(GOPHERSHIP_PORT_GONE, &port->flags))
		events |= EPOLLHUP;
	return events;
}

static long port_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (GOPHERSHIP_COMMAND(cmd)) {
	case GOPHERSHIP_IOC_KICK:
		return gophership_port_kick(file->private_data);
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_EXPORT):
		return gophership_export_bank(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int port_close(struct inode *inode, struct file *file)
{
	gophership_port_close(file->private_data);
	return 0;
}

static void port_fdinfo(struct seq_file *seq, struct file *file)
{
	struct gophership_port *port = file->private_data;
	struct gophership_port_state state;

	gophership_port_state(port, &state);
	seq_printf(seq, "gophership-port-driver:\t%s\n", state.driver);
	seq_printf(seq, "gophership-port-buffers:\t%u\n", port->bank.count);
	seq_printf(seq, "gophership-port-capacity:\t%u\n", port->bank.capacity);
	seq_printf(seq, "gophership-port-program:\t%u\n", state.program_bufs);
	seq_printf(seq, "gophership-port-at-driver:\t%u\n", state.driver_bufs);
	seq_printf(seq, "gophership-port-bytes:\t%llu\n", state.bytes);
	seq_printf(seq, "gophership-port-starved:\t%u\n", state.starved);
	seq_printf(seq, "gophership-port-lost:\t%u\n", state.lost);
	seq_printf(seq, "gophership-port-bad:\t%u\n", state.bad);
}

static const struct file_operations port_fops = {
	.owner = THIS_MODULE,
	.release = port_close,
	.mmap = port_mmap,
	.poll = port_poll,
	.unlocked_ioctl = port_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = port_fdinfo,
};

/* The file behind @fd if it is a port's, with a reference, or an error pointer. */
struct file *gophership_port_fget(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &port_fops)
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

static void describe(const struct gophership_port *port, struct gophership_port_setup *setup)
{
	setup->size = sizeof(*setup);
	setup->capacity = port->bank.capacity;
	setup->entries = port->deliver.mask + 1;
	setup->bank_offset = 0;
	setup->bank_length = (u64)gophership_bank_pages(&port->bank) << PAGE_SHIFT;
	setup->deliver_length = (u64)ring_pages(port) << PAGE_SHIFT;
	setup->submit_length = setup->deliver_length;
	setup->deliver_offset = setup->bank_length;
	setup->submit_offset = setup->deliver_offset + setup->deliver_length;
}

/* A file for @port, which it takes over, and a descriptor that is not live yet. */
static struct file *port_file(struct gophership_port *port, int *fd)
{
	struct file *file;

	*fd = get_unused_fd_flags(O_CLOEXEC);
	if (*fd < 0) {
		gophership_port_unref(port);
		return ERR_PTR(*fd);
	}
	file = anon_inode_getfile("[gophership-port]", &port_fops, port, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(*fd);
		gophership_port_unref(port);
	}
	return file;
}

/**
 * gophership_port_setup() - GOPHERSHIP_IOC_PORT
 * @account: the account that pays
 * @arg: struct gophership_port_setup, in and out
 *
 * Context: process, may sleep.
 * Return: 0, or an error as told there.
 */
long gophership_port_setup(struct gophership_account *account, void __user *arg)
{
	struct gophership_port_setup setup;
	struct gophership_port *port;
	struct file *file;
	ssize_t size;
	int fd;

	size = gophership_argument(&setup, sizeof(setup), SETUP_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (setup.flags || setup.reserved || setup.buf_size > GOPHERSHIP_MAX_POOLED)
		return -EINVAL;
	if (setup.count < 1 || setup.count > GOPHERSHIP_PORT_COUNT_MAX)
		return -EINVAL;

	port = gophership_port_new(account, setup.count, gophership_class(setup.buf_size));
	if (IS_ERR(port))
		return PTR_ERR(port);
	describe(port, &setup);
	file = port_file(port, &fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	setup.fd = fd;
	if (copy_to_user(arg, &setup, min_t(size_t, size, sizeof(setup)))) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}
