// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: endpoints, where drivers wait for ports.
 *
 * What is exported is described in gophership_port.h.
 *
 * A node outlives its endpoint while a program has it open. Then its commands return
 * ENODEV. So an open node does not keep the driver's module from unloading.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "device/argument.h"
#include "device/port.h"

/* The sizes of the structures as they were first published. */
#define ATTACH_SIZE_VER0	16
#define ENDPOINT_SIZE_VER0	24

static_assert(sizeof(struct gophership_attach) >= ATTACH_SIZE_VER0);
static_assert(sizeof(struct gophership_endpoint_info) >= ENDPOINT_SIZE_VER0);

#define NAME_LEN		32	/* the NUL included */
#define NODE_PREFIX		"gophership-"

/**
 * struct gophership_endpoint_node - /dev/gophership-NAME
 * @misc: the device
 * @name: its name
 * @entry: in nodes; protected by nodes_lock
 * @refs: the endpoint's, and of each open file
 * @lock: protects @endpoint; held while a command is at work on it
 * @endpoint: NULL when it is unregistered
 */
struct gophership_endpoint_node {
	struct miscdevice misc;
	char name[sizeof(NODE_PREFIX) + NAME_LEN];
	struct list_head entry;
	struct kref refs;
	struct mutex lock;	/* see above */
	struct gophership_endpoint *endpoint;
};

static LIST_HEAD(nodes);
static DEFINE_MUTEX(nodes_lock);

int gophership_port_accept(struct gophership_port *port, const struct gophership_port_ops *ops,
			   void *priv)
{
	struct gophership_endpoint *endpoint = READ_ONCE(port->attaching);

	if (!ops)
		return -EINVAL;
	return endpoint ? gophership_port_attach(port, endpoint, ops, priv) : -EINVAL;
}
EXPORT_SYMBOL_GPL(gophership_port_accept);

/*
 * Commands
 */

/* One endpoint at a time offers @port to its driver. */
static int begin_attach(struct gophership_port *port, struct gophership_endpoint *endpoint)
{
	/* (H) pairs with (H) in end_attach(). */
	if (cmpxchg(&port->attaching, NULL, endpoint))
		return -EBUSY;
	WRITE_ONCE(port->accepted, false);
	return 0;
}

static void end_attach(struct gophership_port *port)
{
	/* (H) The next attach finds all of this one done: pairs with (H) in begin_attach(). */
	smp_store_release(&port->attaching, NULL);
}

static bool fits(const struct gophership_endpoint *endpoint, const struct gophership_port *port)
{
	if (port->bank.capacity < endpoint->buf_size_min || port->bank.count < endpoint->count_min)
		return false;
	return !endpoint->count_max || port->bank.count <= endpoint->count_max;
}

/* Context: endpoint->lock held. */
static int offer_locked(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	int ret;

	lockdep_assert_held(&endpoint->lock);
	if (!fits(endpoint, port))
		return -EINVAL;
	ret = begin_attach(port, endpoint);
	if (ret)
		return ret;
	ret = endpoint->attach(endpoint, port);
	if (!ret && !READ_ONCE(port->accepted)) {
		pr_warn_ratelimited("%ps() returns 0 and has not accepted the port\n",
				    endpoint->attach);
		ret = -EIO;
	}
	end_attach(port);
	if (!ret)
		gophership_port_begin(port);
	return ret;
}

static int offer(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	int ret;

	if (mutex_lock_killable(&endpoint->lock))
		return -EINTR;
	/* A module on its way out takes no more ports. */
	if (endpoint->gone || !try_module_get(endpoint->owner)) {
		ret = -ENODEV;
	} else {
		ret = offer_locked(endpoint, port);
		module_put(endpoint->owner);
	}
	mutex_unlock(&endpoint->lock);
	return ret;
}

/**
 * struct target - the endpoint that a command is for
 * @endpoint: an endpoint that stays while the command runs, or NULL
 * @node: with @endpoint NULL: the node, whose endpoint may go
 *
 * Neither lock is held while the program's memory is read or written. A program can make
 * that last for ever (userfaultfd), and other tasks would wait for the lock, also the one
 * that unloads the driver.
 */
struct target {
	struct gophership_endpoint *endpoint;
	struct gophership_endpoint_node *node;
};

/* The endpoint, or an error pointer. */
static struct gophership_endpoint *target_lock(const struct target *target)
{
	struct gophership_endpoint_node *node = target->node;

	if (!node)
		return target->endpoint;
	if (mutex_lock_killable(&node->lock))
		return ERR_PTR(-EINTR);
	if (node->endpoint)
		return node->endpoint;
	mutex_unlock(&node->lock);
	return ERR_PTR(-ENODEV);
}

static void target_unlock(const struct target *target)
{
	if (target->node)
		mutex_unlock(&target->node->lock);
}

static long ioctl_attach(const struct target *target, void __user *arg)
{
	struct gophership_endpoint *endpoint;
	struct gophership_attach attach;
	struct file *file;
	ssize_t size;
	int ret;

	size = gophership_argument(&attach, sizeof(attach), ATTACH_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (attach.flags || attach.reserved)
		return -EINVAL;
	file = gophership_port_fget(attach.fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	endpoint = target_lock(target);
	ret = PTR_ERR_OR_ZERO(endpoint);
	if (!ret) {
		ret = offer(endpoint, file->private_data);
		target_unlock(target);
	}
	fput(file);
	return ret;
}

static long ioctl_endpoint(const struct target *target, void __user *arg)
{
	const struct gophership_endpoint *endpoint;
	struct gophership_endpoint_info info;
	ssize_t size;

	size = gophership_argument(&info, sizeof(info), ENDPOINT_SIZE_VER0, arg);
	if (size < 0)
		return size;
	if (info.flags || info.reserved)
		return -EINVAL;
	endpoint = target_lock(target);
	if (IS_ERR(endpoint))
		return PTR_ERR(endpoint);
	info.size = sizeof(info);
	info.buf_size_min = max_t(u32, endpoint->buf_size_min, 1);
	info.count_min = max_t(u32, endpoint->count_min, 1);
	info.count_max = endpoint->count_max ?: GOPHERSHIP_PORT_COUNT_MAX;
	target_unlock(target);
	return copy_to_user(arg, &info, min_t(size_t, size, sizeof(info))) ? -EFAULT : 0;
}

static long endpoint_ioctl(const struct target *target, unsigned int cmd, unsigned long arg)
{
	switch (GOPHERSHIP_COMMAND(cmd)) {
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_ATTACH):
		return ioctl_attach(target, (void __user *)arg);
	case GOPHERSHIP_COMMAND(GOPHERSHIP_IOC_ENDPOINT):
		return ioctl_endpoint(target, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

long gophership_endpoint_ioctl(struct gophership_endpoint *endpoint, unsigned int cmd,
			       unsigned long arg)
{
	const struct target target = { .endpoint = endpoint };

	return endpoint_ioctl(&target, cmd, arg);
}
EXPORT_SYMBOL_GPL(gophership_endpoint_ioctl);

/*
 * Nodes
 */

static void free_node(struct kref *refs)
{
	kfree(container_of(refs, struct gophership_endpoint_node, refs));
}

/* misc_open() excludes misc_deregister(): the endpoint's reference is there. */
static int node_open(struct inode *inode, struct file *file)
{
	struct gophership_endpoint_node *node;

	node = container_of(file->private_data, struct gophership_endpoint_node, misc);
	kref_get(&node->refs);
	file->private_data = node;
	return nonseekable_open(inode, file);
}

static int node_close(struct inode *inode, struct file *file)
{
	struct gophership_endpoint_node *node = file->private_data;

	kref_put(&node->refs, free_node);
	return 0;
}

static long node_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct target target = { .node = file->private_data };

	return endpoint_ioctl(&target, cmd, arg);
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_close,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static bool name_is_good(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = name ? strlen(name) : 0;

	return len && len < NAME_LEN && strspn(name, good) == len;
}

/* Context: nodes_lock held. */
static bool name_is_taken(const char *name)
{
	const struct gophership_endpoint_node *node;

	lockdep_assert_held(&nodes_lock);
	list_for_each_entry(node, &nodes, entry)
		if (!strcmp(node->name + strlen(NODE_PREFIX), name))
			return true;
	return false;
}

/* Context: nodes_lock held. */
static int add_node(struct gophership_endpoint *endpoint, struct gophership_endpoint_node *node)
{
	int ret;

	lockdep_assert_held(&nodes_lock);
	if (name_is_taken(endpoint->name))
		return -EEXIST;
	snprintf(node->name, sizeof(node->name), NODE_PREFIX "%s", endpoint->name);
	node->misc.minor = MISC_DYNAMIC_MINOR;
	node->misc.name = node->name;
	node->misc.fops = &node_fops;
	node->misc.mode = endpoint->mode ?: 0600;
	kref_init(&node->refs);
	mutex_init(&node->lock);
	node->endpoint = endpoint;
	endpoint->node = node;
	ret = misc_register(&node->misc);
	if (ret)
		return ret;
	list_add(&node->entry, &nodes);
	return 0;
}

int gophership_endpoint_init(struct gophership_endpoint *endpoint)
{
	if (!endpoint->attach || endpoint->buf_size_min > GOPHERSHIP_MAX_POOLED ||
	    endpoint->count_min > GOPHERSHIP_PORT_COUNT_MAX ||
	    endpoint->count_max > GOPHERSHIP_PORT_COUNT_MAX ||
	    (endpoint->count_max && endpoint->count_max < endpoint->count_min))
		return -EINVAL;
	mutex_init(&endpoint->lock);
	INIT_LIST_HEAD(&endpoint->ports);
	endpoint->node = NULL;
	endpoint->gone = false;
	return 0;
}
EXPORT_SYMBOL_GPL(gophership_endpoint_init);

int gophership_endpoint_register(struct gophership_endpoint *endpoint)
{
	struct gophership_endpoint_node *node;
	int ret;

	if (!name_is_good(endpoint->name) || endpoint->mode & ~0777)
		return -EINVAL;
	ret = gophership_endpoint_init(endpoint);
	if (ret)
		return ret;
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	mutex_lock(&nodes_lock);
	ret = add_node(endpoint, node);
	mutex_unlock(&nodes_lock);
	if (ret) {
		endpoint->node = NULL;
		kfree(node);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(gophership_endpoint_register);

/* When this returns, no command finds the endpoint, and none is at work on it. */
static void remove_node(struct gophership_endpoint_node *node)
{
	mutex_lock(&nodes_lock);
	misc_deregister(&node->misc);
	list_del(&node->entry);
	mutex_unlock(&nodes_lock);
	mutex_lock(&node->lock);
	node->endpoint = NULL;
	mutex_unlock(&node->lock);
	kref_put(&node->refs, free_node);
}

void gophership_endpoint_unregister(struct gophership_endpoint *endpoint)
{
	struct gophership_port *port;

	if (endpoint->node)
		remove_node(endpoint->node);
	mutex_lock(&endpoint->lock);
	endpoint->gone = true;
	mutex_unlock(&endpoint->lock);
	while ((port = gophership_port_pop(endpoint))) {
		gophership_port_stop(port);
		gophership_port_unref(port);
	}
}
EXPORT_SYMBOL_GPL(gophership_endpoint_unregister);
