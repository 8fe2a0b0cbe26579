// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: GOPHERSHIP_IOC_EXPORT: leases and banks as dma-bufs.
 *
 * The buffers that a dma-buf shows stay, and are paid for, until the dma-buf is gone:
 *  - a lease cannot be released before. When its context is closed, the loan passes to
 *    the export, which gives it back in the end: device/lease.c;
 *  - the bank of a port is freed when the program, the driver and all dma-bufs are done
 *    with it: reap() in device/port.c.
 *
 * An importer may be another trust domain. So an exported buffer counts as written by
 * others. It is cleared before its next lease, also before one of the same context.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/gophership.h>

#include "device/argument.h"
#include "device/context.h"
#include "device/dmabuf.h"
#include "device/export.h"
#include "device/lease.h"
#include "device/port.h"
#include "gophership_compat.h"
#include "pool/types.h"

/* The size of the structure as it was first published. */
#define EXPORT_SIZE_VER0	32

static_assert(sizeof(struct gophership_export) >= EXPORT_SIZE_VER0);

/* For memory of the caller's cgroup; no OOM kill. */
#define GFP_EXPORT	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct export - a dma-buf and what it shows
 * @dmabuf: the pages
 * @context: of leases: where they are from, with a reference; else NULL
 * @port: of a bank: the port, with a reference; else NULL
 * @loans: the leases, @nr of them; constant. They are the context's until that is
 *	closed, then the export's
 * @nr: constant
 */
struct export {
	struct gophership_dmabuf dmabuf;
	struct gophership_context *context;
	struct gophership_port *port;
	struct gophership_loan **loans;
	u32 nr;
};

static void free_export(struct export *export)
{
	if (export->context) {
		gophership_context_unexport(export->context, export->loans, export->nr);
		gophership_context_put(export->context);
	}
	if (export->port)
		gophership_port_unexport(export->port);
	kvfree(export->loans);
	kvfree(export->dmabuf.pages);
	kfree(export);
}

static void dmabuf_release(struct gophership_dmabuf *dmabuf)
{
	free_export(container_of(dmabuf, struct export, dmabuf));
}

static struct export *alloc_export(void)
{
	struct export *export = kzalloc(sizeof(*export), GFP_EXPORT);

	if (export)
		export->dmabuf.release = dmabuf_release;
	return export;
}

static int alloc_pages_array(struct export *export, unsigned long nr_pages)
{
	export->dmabuf.nr_pages = nr_pages;
	export->dmabuf.pages = kvmalloc_array(nr_pages, sizeof(*export->dmabuf.pages), GFP_EXPORT);
	return export->dmabuf.pages ? 0 : -ENOMEM;
}

/* A program may map a page that the kernel has not written: some caches need the flush. */
static void set_page(struct export *export, unsigned long nr, struct page *page)
{
	flush_dcache_page(page);
	export->dmabuf.pages[nr] = page;
}

/* A descriptor for @export, which this takes over, and tell the caller of it. */
static long install(struct export *export, struct gophership_export *told, size_t size,
		    void __user *arg)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	told->fd = fd;
	told->length = (u64)export->dmabuf.nr_pages << PAGE_SHIFT;
	file = fd < 0 ? ERR_PTR(fd) : gophership_dmabuf_file(&export->dmabuf);
	if (IS_ERR(file)) {
		if (fd >= 0)
			put_unused_fd(fd);
		free_export(export);
		return PTR_ERR(file);
	}
	/* From here on the file has the export. */
	if (copy_to_user(arg, told, min(size, sizeof(*told)))) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}

/*
 * Leases
 */

static u64 *read_handles(u64 from, u32 nr)
{
	u64 *handles;

	handles = kvmalloc_array(nr, sizeof(*handles), GFP_EXPORT);
	if (!handles)
		return ERR_PTR(-ENOMEM);
	if (!copy_from_user(handles, gophership_user_pointer(from), nr * sizeof(*handles)))
		return handles;
	kvfree(handles);
	return ERR_PTR(-EFAULT);
}

/* Have @export own what @handles name, if it may be: all or nothing. */
static int take_loans(struct export *export, struct gophership_context *context,
		      const u64 *handles, u32 nr)
{
	int ret;

	export->loans = kvmalloc_array(nr, sizeof(*export->loans), GFP_EXPORT);
	if (!export->loans)
		return -ENOMEM;
	ret = gophership_context_export(context, handles, nr, export->loans);
	if (ret)
		return ret;
	export->nr = nr;
	gophership_context_get(context);
	export->context = context;
	return 0;
}

/* In the order of the handles. */
static int take_pages_of_loans(struct export *export)
{
	unsigned long nr_pages = 0, at = 0, i, j;
	int ret;

	for (i = 0; i < export->nr; i++)
		nr_pages += gophership_class_pages(1, export->loans[i]->class);
	ret = alloc_pages_array(export, nr_pages);
	if (ret)
		return ret;
	for (i = 0; i < export->nr; i++) {
		struct page *page = virt_to_page(export->loans[i]->buf->data);

		for (j = 0; j < gophership_class_pages(1, export->loans[i]->class); j++)
			set_page(export, at++, page + j);
		cond_resched();
	}
	return 0;
}

static struct export *export_of_leases(struct gophership_context *context,
				       const struct gophership_export *asked)
{
	struct export *export;
	u64 *handles;
	int ret;

	handles = read_handles(asked->handles, asked->count);
	if (IS_ERR(handles))
		return ERR_CAST(handles);
	export = alloc_export();
	ret = export ? take_loans(export, context, handles, asked->count) : -ENOMEM;
	kvfree(handles);
	if (!ret)
		ret = take_pages_of_loans(export);
	if (!ret)
		return export;
	if (export)
		free_export(export);
	return ERR_PTR(ret);
}

/**
 * gophership_export_leases() - GOPHERSHIP_IOC_EXPORT on the device
 * @context: the context that has the leases
 * @arg: struct gophership_export, in and out
 *
 * Context: process, may sleep.
 * Return: 0, or an error as told there.
 */
long gophership_export_leases(struct gophership_context *context, void __user *arg)
{
	struct gophership_export asked;
	struct export *export;
	ssize_t size;

	size = gophership_argument(&asked, sizeof(asked), EXPORT_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (asked.flags || asked.count < 1 || asked.count > GOPHERSHIP_BATCH_MAX)
		return -EINVAL;
	if (!GOPHERSHIP_HAS_DMABUF)
		return -EOPNOTSUPP;
	export = export_of_leases(context, &asked);
	if (IS_ERR(export)) {
		gophership_context_refused(context, PTR_ERR(export));
		return PTR_ERR(export);
	}
	return install(export, &asked, size, arg);
}

/*
 * Banks
 */

static int take_bank(struct export *export, struct gophership_port *port)
{
	const struct gophership_bank *bank = &port->bank;
	unsigned long nr_pages = gophership_bank_pages(bank), i;
	int ret;

	ret = alloc_pages_array(export, nr_pages);
	if (ret)
		return ret;
	gophership_port_export(port);
	export->port = port;
	for (i = 0; i < nr_pages; i++) {
		set_page(export, i, gophership_bank_page(bank, i));
		cond_resched();
	}
	return 0;
}

/**
 * gophership_export_bank() - GOPHERSHIP_IOC_EXPORT on a port
 * @port: the port that has the bank; the caller has its file
 * @arg: struct gophership_export, in and out
 *
 * Context: process, may sleep.
 * Return: 0, or an error as told there.
 */
long gophership_export_bank(struct gophership_port *port, void __user *arg)
{
	struct gophership_export asked;
	struct export *export;
	ssize_t size;
	int ret;

	size = gophership_argument(&asked, sizeof(asked), EXPORT_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (asked.flags || asked.count || asked.handles)
		return -EINVAL;
	if (!GOPHERSHIP_HAS_DMABUF)
		return -EOPNOTSUPP;
	export = alloc_export();
	if (!export)
		return -ENOMEM;
	ret = take_bank(export, port);
	if (ret) {
		free_export(export);
		return ret;
	}
	return install(export, &asked, size, arg);
}
