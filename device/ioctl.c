// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: /dev/gophership.
 *
 * Every command works on every open, whatever its mode: what can be mapped is
 * up to the mode, as with any file (nothing with O_WRONLY, PROT_WRITE only
 * with O_RDWR).
 */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device/account.h"
#include "device/argument.h"
#include "device/context.h"
#include "device/dmabuf.h"
#include "device/export.h"
#include "device/idle.h"
#include "device/ioctl.h"
#include "device/lease.h"
#include "device/offsets.h"
#include "device/pinned.h"
#include "device/port.h"
#include "device/pressure.h"
#include "device/stats.h"
#include "device/trim.h"
#include "device/window.h"
#include "gophership_compat.h"
#include "pool/list.h"
#include "pool/types.h"

/* The sizes of the structures as they were first published. */
#define INFO_SIZE_VER0		240
#define ACQUIRE_SIZE_VER0	32
#define RELEASE_SIZE_VER0	24

static_assert(sizeof(struct gophership_info) >= INFO_SIZE_VER0);
static_assert(sizeof(struct gophership_acquire) >= ACQUIRE_SIZE_VER0);
static_assert(sizeof(struct gophership_release) >= RELEASE_SIZE_VER0);
static_assert(GOPHERSHIP_NR_CLASSES + 1 <= GOPHERSHIP_CLASSES_MAX);

/* Leases that ACQUIRE need not allocate memory for. */
#define FEW_LEASES		16

/*
 * How many buffers that were given back while they were pinned an ACQUIRE looks at: at
 * first, and if it would fail otherwise.
 */
#define LOOK_FIRST		32
#define LOOK_LAST		1024

/* Pages that an ACQUIRE gives back, as far as it can, when there is no memory for more. */
#define SPARE_PAGES		64

static long ioctl_info(const struct gophership_context *context, void __user *arg)
{
	struct gophership_info info;
	unsigned int class;
	ssize_t size;

	size = gophership_argument(&info, sizeof(info), INFO_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (info.flags || info.reserved)
		return -EINVAL;

	memset(&info, 0, sizeof(info));
	info.size = sizeof(info);
	if (gophership_memcg_charges())
		info.features |= GOPHERSHIP_FEATURE_MEMCG;
	info.features |= GOPHERSHIP_FEATURE_PRESSURE | GOPHERSHIP_FEATURE_PORT |
			 GOPHERSHIP_FEATURE_POOLS | GOPHERSHIP_FEATURE_TRIM;
	if (GOPHERSHIP_HAS_DMABUF)
		info.features |= GOPHERSHIP_FEATURE_DMABUF;
	info.pressure_offset = GOPHERSHIP_PRESSURE_OFFSET;
	info.page_size = PAGE_SIZE;
	info.nr_classes = GOPHERSHIP_NR_CLASSES;
	info.batch_max = GOPHERSHIP_BATCH_MAX;
	info.quota = (u64)context->account->quota << PAGE_SHIFT;
	info.machine_limit = (u64)READ_ONCE(gophership_limit_pages) << PAGE_SHIFT;
	info.memlock_max = gophership_account_memlock_max();
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		struct gophership_class_info *row = &info.classes[class];

		row->capacity = gophership_class_size(class);
		row->slots = gophership_window_slots(context, class);
		row->offset = gophership_window_offset(class, 0);
		row->length = (u64)row->slots * row->capacity;
	}
	return copy_to_user(arg, &info, min_t(size_t, size, sizeof(info))) ? -EFAULT : 0;
}

/*
 * Lease up to @count buffers of @size bytes. Returns how many; *@error is why there are no more. A
 * signal ends the call early. But unless it kills, the call leases one buffer first: under a
 * fast timer it would never get anywhere otherwise. Task work (of an
 * io_uring that closes, say) is no signal.
 */
static u32 lease_run(struct gophership_context *context, size_t size, u32 count,
		     struct gophership_lease *leases, int *error)
{
	u32 granted;

	*error = 0;
	for (granted = 0; granted < count; granted++) {
		if (granted ? task_sigpending(current) : fatal_signal_pending(current)) {
			*error = -EINTR;
			break;
		}
		*error = gophership_context_lease(context, size, &leases[granted]);
		if (*error)
			break;
		cond_resched();
	}
	return granted;
}

/* A thread that guessed a handle may have released it already: no matter. */
static void take_back(struct gophership_context *context, const struct gophership_lease *leases,
		      u32 nr)
{
	unsigned int done;
	u32 i;

	for (i = 0; i < nr; i++) {
		gophership_context_release(context, &leases[i].handle, 1, &done);
		cond_resched();
	}
}

/*
 * There is no memory for more than these: the caller's cgroup is full. If a task of it needs
 * a page now, it is killed. So give some pages back, which its reclaim can find. Returns how
 * many buffers remain: one at least.
 */
static u32 leave_some(struct gophership_context *context, unsigned int class,
		      const struct gophership_lease *leases, u32 granted)
{
	u32 spare = DIV_ROUND_UP(SPARE_PAGES, gophership_class_pages(1, class));
	u32 nr = min(spare, granted / 2);

	take_back(context, leases + granted - nr, nr);
	return granted - nr;
}

/* As lease_run(). Returns how many buffers were leased, or why there is none. */
static int lease_some(struct gophership_context *context, size_t size, u32 count,
		      struct gophership_lease *leases)
{
	u32 granted;
	int error;

	gophership_pinned_look(LOOK_FIRST);
	granted = lease_run(context, size, count, leases, &error);
	if (error && error != -EINTR && gophership_pinned_look(LOOK_LAST))
		granted += lease_run(context, size, count - granted, leases + granted, &error);
	if (error == -ENOBUFS && granted)
		granted = leave_some(context, gophership_class(size), leases, granted);
	if (error == -ENOBUFS)
		error = -ENOMEM;
	return granted ? granted : error;
}

/* Make the page at @at writable: read a byte, and write the same byte back. */
static void fault_in_page(char __user *at)
{
	char byte;

	if (!get_user(byte, at))
		put_user(byte, at);
}

/*
 * Fault in the caller's array of leases before the buffers take the memory that there is.
 * If that fails, report_leases() returns the error. fault_in_safe_writeable() does this
 * without a write, but takes as long as half of a lease.
 */
static void fault_in(struct gophership_acquire __user *arg,
		     const struct gophership_acquire *acquire)
{
	size_t left = array_size(acquire->count, sizeof(struct gophership_lease)), step;
	char __user *at = gophership_user_pointer(acquire->leases);

	fault_in_page((char __user *)&arg->granted);
	for (; left; left -= step, at += step) {
		step = min_t(size_t, left, PAGE_SIZE - offset_in_page(at));
		fault_in_page(at);
	}
}

/* Tell the caller, which gets either all that was granted or nothing. */
static int report_leases(struct gophership_acquire __user *arg, void __user *to,
			 const struct gophership_lease *leases, u32 granted)
{
	if (copy_to_user(to, leases, array_size(granted, sizeof(*leases))))
		return -EFAULT;
	return put_user(granted, &arg->granted);
}

static int acquire_into(struct gophership_context *context,
			const struct gophership_acquire *acquire,
			struct gophership_acquire __user *arg, struct gophership_lease *leases)
{
	int granted;

	fault_in(arg, acquire);
	granted = lease_some(context, acquire->min_size, acquire->count, leases);
	if (granted <= 0)
		return granted;
	if (!report_leases(arg, gophership_user_pointer(acquire->leases), leases, granted))
		return 0;
	take_back(context, leases, granted);
	return -EFAULT;
}

static long ioctl_acquire(struct gophership_context *context, struct gophership_acquire __user *arg)
{
	struct gophership_lease few[FEW_LEASES];
	struct gophership_lease *leases = few;
	struct gophership_acquire acquire;
	ssize_t size;
	long ret;

	size = gophership_argument(&acquire, sizeof(acquire), ACQUIRE_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (acquire.flags || acquire.min_size > GOPHERSHIP_MAX_POOLED)
		return -EINVAL;
	if (acquire.count < 1 || acquire.count > GOPHERSHIP_BATCH_MAX)
		return -EINVAL;

	if (acquire.count > FEW_LEASES) {
		leases = kvmalloc_array(acquire.count, sizeof(*leases),
					GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
		if (!leases)
			return -ENOMEM;
	}
	ret = acquire_into(context, &acquire, arg, leases);
	if (leases != few)
		kvfree(leases);
	return ret;
}

/*
 * Read up to @nr handles. Returns how many could be read: what comes before a
 * bad page counts.
 */
static u32 get_handles(u64 *handles, const u64 __user *from, u32 nr)
{
	unsigned long left = copy_from_user(handles, from, nr * sizeof(*handles));

	return (nr * sizeof(*handles) - left) / sizeof(*handles);
}

/* Release handle after handle up to the first bad one; *@done: how many. */
static int release_some(struct gophership_context *context, const u64 __user *from, u32 count,
			u32 *done)
{
	u64 handles[GOPHERSHIP_RELEASE_CHUNK];
	unsigned int released;
	u32 want, nr;
	int ret;

	for (*done = 0; *done < count; cond_resched()) {
		want = min_t(u32, count - *done, GOPHERSHIP_RELEASE_CHUNK);
		nr = get_handles(handles, from + *done, want);
		ret = gophership_context_release(context, handles, nr, &released);
		*done += released;
		if (ret)
			return ret;
		if (nr < want)
			return -EFAULT;
	}
	return 0;
}

static long ioctl_release(struct gophership_context *context, struct gophership_release __user *arg)
{
	struct gophership_release release;
	ssize_t size;
	u32 done;
	int ret;

	size = gophership_argument(&release, sizeof(release), RELEASE_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (release.flags || release.count < 1 || release.count > GOPHERSHIP_BATCH_MAX)
		return -EINVAL;

	ret = release_some(context, gophership_user_pointer(release.handles), release.count, &done);
	gophership_context_refused(context, ret);
	return put_user(done, &arg->done) ? -EFAULT : ret;
}

static long gophership_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct gophership_context *context = file->private_data;
	bool writes = file->f_mode & FMODE_WRITE;

	/* A file that is open for reading only sees statistics, and takes no memory. */
	switch (GOPHERSHIP_COMMAND(cmd)) {
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_INFO):
		return ioctl_info(context, (void __user *)arg);
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_ACQUIRE):
		return writes ? ioctl_acquire(context, (void __user *)arg) : -EBADF;
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_RELEASE):
		return writes ? ioctl_release(context, (void __user *)arg) : -EBADF;
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_STATS):
		return gophership_ioctl_stats(context, (void __user *)arg);
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_PORT):
		return writes ? gophership_port_setup(context->account, (void __user *)arg) :
				-EBADF;
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_EXPORT):
		return writes ? gophership_export_leases(context, (void __user *)arg) : -EBADF;
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_TRIM):
		return writes ? gophership_ioctl_trim((void __user *)arg) : -EBADF;
	default:
		return -ENOTTY;
	}
}

static int gophership_open(struct inode *inode, struct file *file)
{
	struct gophership_context *context = gophership_context_new();

	if (IS_ERR(context))
		return PTR_ERR(context);
	file->private_data = context;
	file->f_mapping = context->inode->i_mapping;
	return stream_open(inode, file);
}

static int gophership_close(struct inode *inode, struct file *file)
{
	file->f_mapping = inode->i_mapping;
	gophership_context_close(file->private_data);
	return 0;
}

static int gophership_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff == GOPHERSHIP_PRESSURE_OFFSET >> PAGE_SHIFT)
		return gophership_pressure_mmap(vma);
	return gophership_window_mmap(file, vma);
}

static void gophership_fdinfo(struct seq_file *seq, struct file *file)
{
	gophership_context_fdinfo(seq, file->private_data);
}

static const struct file_operations gophership_fops = {
	.owner = THIS_MODULE,
	.open = gophership_open,
	.release = gophership_close,
	.unlocked_ioctl = gophership_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = gophership_mmap,
	.show_fdinfo = gophership_fdinfo,
};

static struct miscdevice gophership_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gophership",
	.fops = &gophership_fops,
	.mode = 0600,
};

int __init gophership_dev_init(void)
{
	int ret;

	ret = gophership_account_init();
	if (ret)
		return ret;
	ret = gophership_contexts_init();
	if (ret)
		return ret;
	ret = misc_register(&gophership_misc);
	if (ret)
		gophership_contexts_exit();
	return ret;
}

void gophership_dev_exit(void)
{
	misc_deregister(&gophership_misc);
	gophership_contexts_exit();
}
