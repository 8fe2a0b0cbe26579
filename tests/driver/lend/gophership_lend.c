// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that shows its buffers to a program: /dev/gophership_lend.
 *
 * An open file has one buffer, which mmap shows. A write ends the lease, in the way that
 * it names, while the program does what it likes with the pages: "release" from a pool
 * that ignores references, "check" from one that looks at them, "retire". Then
 * the driver borrows all that the pool has, and writes to each.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "gophership_buf.h"

#define OLD	'o'
#define NEW	'n'
#define SIZE	(4 * PAGE_SIZE)
#define MANY	64

static struct gophership_pool *plain, *checked;

/* Of an open file; one program with one thread. */
struct lend {
	struct gophership_pool *pool;
	struct gophership_buf *buf;
};

static int lend_open(struct inode *inode, struct file *file)
{
	struct lend *lend = kzalloc(sizeof(*lend), GFP_KERNEL);

	if (!lend)
		return -ENOMEM;
	file->private_data = lend;
	return 0;
}

static int lend_close(struct inode *inode, struct file *file)
{
	struct lend *lend = file->private_data;

	gophership_buf_retire(lend->buf);
	kfree(lend);
	return 0;
}

/* The offset says from which pool: page 0 the plain one, page 16 the other. */
static int lend_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lend *lend = file->private_data;
	struct page *page;
	unsigned int i;
	int ret;

	if (lend->buf || vma->vm_end - vma->vm_start != SIZE)
		return -EINVAL;
	lend->pool = vma->vm_pgoff ? checked : plain;
	vma->vm_pgoff = 0;
	lend->buf = gophership_pool_acquire(lend->pool, SIZE, GFP_KERNEL | __GFP_ZERO);
	if (!lend->buf)
		return -ENOMEM;
	memset(lend->buf->data, OLD, SIZE);
	page = virt_to_page(lend->buf->data);
	for (i = 0; i < SIZE / PAGE_SIZE; i++) {
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE, page + i);
		if (ret)
			return ret;
	}
	return 0;
}

/* Write to whatever the pool has; the buffers go back to it. */
static int write_to_all(struct gophership_pool *pool)
{
	struct gophership_buf *bufs[MANY];
	unsigned int i, nr;

	nr = gophership_pool_acquire_bulk(pool, SIZE, GFP_KERNEL, MANY, bufs);
	for (i = 0; i < nr; i++)
		memset(bufs[i]->data, NEW, SIZE);
	return gophership_buf_release_bulk(bufs, nr) == MANY ? 0 : -EIO;
}

static int end_lease(struct file *file, struct lend *lend, bool retire)
{
	struct gophership_buf *buf = lend->buf;
	int ret;

	lend->buf = NULL;
	unmap_mapping_range(file->f_mapping, 0, 0, 1);
	ret = retire ? gophership_buf_retire(buf) : gophership_buf_release(buf);
	return ret ?: write_to_all(lend->pool);
}

static ssize_t lend_write(struct file *file, const char __user *user, size_t size, loff_t *offset)
{
	struct lend *lend = file->private_data;
	char how[16];
	int ret;

	if (!lend->buf || size >= sizeof(how))
		return -EINVAL;
	if (copy_from_user(how, user, size))
		return -EFAULT;
	how[size] = '\0';
	ret = end_lease(file, lend, !strcmp(how, "retire"));
	return ret ?: size;
}

static const struct file_operations lend_fops = {
	.owner = THIS_MODULE,
	.open = lend_open,
	.release = lend_close,
	.mmap = lend_mmap,
	.write = lend_write,
};

static struct miscdevice lend_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gophership_lend",
	.fops = &lend_fops,
};

static int __init lend_init(void)
{
	/* Cleared or not, the bytes of the next borrower are to be seen. */
	struct gophership_pool_params params = {
		.name = "lend-plain",
		.flags = GOPHERSHIP_POOL_NO_INIT,
	};
	int ret;

	plain = gophership_pool_create(&params);
	if (IS_ERR(plain))
		return PTR_ERR(plain);
	params.name = "lend-checked";
	params.flags = GOPHERSHIP_POOL_CHECK_REFS;
	checked = gophership_pool_create(&params);
	ret = PTR_ERR_OR_ZERO(checked);
	if (!ret)
		ret = misc_register(&lend_misc);
	if (ret) {
		gophership_pool_destroy(checked);
		gophership_pool_destroy(plain);
	}
	return ret;
}
module_init(lend_init);

static void __exit lend_exit(void)
{
	misc_deregister(&lend_misc);
	gophership_pool_destroy(checked);
	gophership_pool_destroy(plain);
}
module_exit(lend_exit);

MODULE_DESCRIPTION("A driver that shows buffers of GopherShip's pool to a program");
MODULE_LICENSE("GPL");
