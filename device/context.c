// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: contexts, made and unmade.
 */
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/pseudo_fs.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "device/account.h"
#include "device/context.h"
#include "device/idle.h"
#include "device/lease.h"
#include "device/pinned.h"
#include "pool/types.h"

#define GOPHERSHIP_FS_MAGIC	0x676f7068	/* "goph" */

static struct vfsmount *inode_mount;

static atomic64_t last_id = ATOMIC64_INIT(0);
static atomic_long_t nr_contexts = ATOMIC_LONG_INIT(0);

/* For debugfs; one that is in the list has all its fields. */
static LIST_HEAD(contexts);
static DEFINE_MUTEX(contexts_lock);

/**
 * gophership_context_new() - a context that belongs to the current task
 *
 * Context: process, may sleep.
 * Return: the context, or an error pointer.
 */
struct gophership_context *gophership_context_new(void)
{
	struct gophership_context *context;
	unsigned int class;
	u64 id;
	int ret;

	context = kzalloc(sizeof(*context), GFP_KERNEL_ACCOUNT);
	if (!context)
		return ERR_PTR(-ENOMEM);
	ret = -ENOMEM;
	context->account = gophership_account_new();
	if (!context->account)
		goto free_context;
	context->inode = alloc_anon_inode(inode_mount->mnt_sb);
	if (IS_ERR(context->inode)) {
		ret = PTR_ERR(context->inode);
		goto put_account;
	}

	refcount_set(&context->refs, 1);
	init_rwsem(&context->lock);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		xa_init_flags(&context->loans[class], XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
	get_random_bytes(&context->key, sizeof(context->key));
	context->first = get_random_u32();
	context->generation = context->first;
	id = atomic64_inc_return(&last_id);
	context->id = id < GOPHERSHIP_WRITER_DEVICE ? id : 0;
	context->account->context = context->id;
	atomic_long_inc(&nr_contexts);
	mutex_lock(&contexts_lock);
	list_add_tail(&context->entry, &contexts);
	mutex_unlock(&contexts_lock);
	return context;

put_account:
	gophership_account_put(context->account);
free_context:
	kfree(context);
	return ERR_PTR(ret);
}

/**
 * gophership_context_close() - give back everything that a context has
 * @context: a context without users: its file is closed for good, so no call
 *	is under way and no mapping is left (each has a reference to the file)
 *
 * Loans that dma-bufs show are not given back: the dma-bufs have them from now on, and hold
 * the context.
 *
 * Context: process, may sleep.
 */
void gophership_context_close(struct gophership_context *context)
{
	gophership_context_release_all(context);
	atomic_long_dec(&nr_contexts);
	gophership_context_put(context);
}

/* One reference more, of a dma-buf. Context: any. */
void gophership_context_get(struct gophership_context *context)
{
	refcount_inc(&context->refs);
}

/* One reference less; with the last one nothing of it is on lease. Context: process, may sleep. */
void gophership_context_put(struct gophership_context *context)
{
	if (!refcount_dec_and_test(&context->refs))
		return;
	mutex_lock(&contexts_lock);
	list_del(&context->entry);
	mutex_unlock(&contexts_lock);
	gophership_account_put(context->account);
	iput(context->inode);
	kfree_sensitive(context);
}

/* Count that a handle was refused, if that is what @error says. Context: any. */
void gophership_context_refused(struct gophership_context *context, int error)
{
	if (error == -EINVAL)
		atomic64_inc(&context->foreign);
	if (error == -EALREADY)
		atomic64_inc(&context->doubled);
}

/*
 * gophership_context_stats() without the context's lock, so that one context holds up no reader
 * of all. Counters that change meanwhile may be torn on 32 bits. Context: any.
 */
void gophership_context_peek(const struct gophership_context *context,
			     struct gophership_stats *stats)
{
	stats->leased = READ_ONCE(context->nr_loans);
	stats->acquires = READ_ONCE(context->acquires);
	stats->releases = READ_ONCE(context->releases);
	stats->cleared = READ_ONCE(context->cleared);
	stats->retired = READ_ONCE(context->retired);
	stats->leased_bytes = (u64)atomic_long_read(&context->account->pages) << PAGE_SHIFT;
	stats->foreign = atomic64_read(&context->foreign);
	stats->doubled = atomic64_read(&context->doubled);
	stats->faults = atomic64_read(&context->faults);
	stats->contexts = atomic_long_read(&nr_contexts);
	stats->machine_bytes = (u64)gophership_account_machine_pages() << PAGE_SHIFT;
}

/* The context's part of @stats. Context: process, may sleep. */
void gophership_context_stats(struct gophership_context *context, struct gophership_stats *stats)
{
	down_read(&context->lock);
	gophership_context_peek(context, stats);
	up_read(&context->lock);
}

/* What /proc/PID/fdinfo says of a context. Context: process. */
void gophership_context_fdinfo(struct seq_file *seq, struct gophership_context *context)
{
	struct gophership_stats stats;

	gophership_context_stats(context, &stats);
	seq_printf(seq, "gophership-context:\t%u\n", context->id);
	seq_printf(seq, "gophership-leased:\t%llu\n", stats.leased);
	seq_printf(seq, "gophership-charged-bytes:\t%llu\n", stats.leased_bytes);
	seq_printf(seq, "gophership-acquires:\t%llu\n", stats.acquires);
	seq_printf(seq, "gophership-releases:\t%llu\n", stats.releases);
	seq_printf(seq, "gophership-faults:\t%llu\n", stats.faults);
	seq_printf(seq, "gophership-cleared:\t%llu\n", stats.cleared);
	seq_printf(seq, "gophership-retired:\t%llu\n", stats.retired);
}

/* All contexts, which stay until gophership_contexts_unlock(). Context: process. */
struct list_head *gophership_contexts_lock(void)
{
	mutex_lock(&contexts_lock);
	return &contexts;
}

void gophership_contexts_unlock(void)
{
	mutex_unlock(&contexts_lock);
}

static int inode_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, GOPHERSHIP_FS_MAGIC) ? 0 : -ENOMEM;
}

/*
 * Home of the contexts' inodes. It is not registered, so nothing else mounts
 * it, and it has no owner: our own mount would keep the module from unloading.
 * Open files hold the module, and without them there are no inodes.
 */
static struct file_system_type inode_fs = {
	.name = "gophership",
	.init_fs_context = inode_fs_init_context,
	.kill_sb = kill_anon_super,
};

int __init gophership_contexts_init(void)
{
	int ret;

	ret = gophership_idle_init();
	if (ret)
		return ret;
	inode_mount = kern_mount(&inode_fs);
	if (IS_ERR(inode_mount)) {
		gophership_idle_exit();
		return PTR_ERR(inode_mount);
	}
	return 0;
}

void gophership_contexts_exit(void)
{
	kern_unmount(inode_mount);
	gophership_pinned_exit();
	gophership_idle_exit();
}
