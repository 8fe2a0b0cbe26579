// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that leaks: at init, and as often as it is told to by the parameter leak.
 *
 *   name=NAME    of its own pool, which has a blank if nothing is said
 *   leak=N       acquire N buffers of its own pool
 *   shared=N     the same of the machine's pool
 *   places=1     acquire 1 of the machine's pool at each of 300 places
 *   abandon=1    forget what it has when it is unloaded
 *   killed=1     have the task that unloads it killed
 *   churn=N      acquire and release, so often
 *   retire=N     acquire 5000 bytes and retire the buffer, so often
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "gophership_buf.h"

#define MOST	512

static struct gophership_pool *pool;
static struct gophership_buf *held[MOST];
static unsigned int nr_held;

static char *name = "leaky pool";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "of its own pool");

static bool abandon;
module_param(abandon, bool, 0644);
MODULE_PARM_DESC(abandon, "forget what is held at unload");

static bool killed;
module_param(killed, bool, 0644);
MODULE_PARM_DESC(killed, "kill the task that unloads");

static void hold(struct gophership_buf *buf)
{
	if (buf && nr_held < MOST)
		held[nr_held++] = buf;
	else
		gophership_buf_release(buf);
}

static noinline int leaky_take(const char *text, const struct kernel_param *param)
{
	unsigned int nr;

	if (kstrtouint(text, 0, &nr) || !pool)
		return -EINVAL;
	while (nr--)
		hold(gophership_pool_acquire(pool, 2 * PAGE_SIZE, GFP_KERNEL));
	return 0;
}

static noinline int leaky_take_shared(const char *text, const struct kernel_param *param)
{
	unsigned int nr;

	if (kstrtouint(text, 0, &nr) || !pool)
		return -EINVAL;
	while (nr--)
		hold(gophership_buf_acquire(PAGE_SIZE, GFP_KERNEL));
	return 0;
}

/* As many calls, each at a place of its own. */
#define PLACE		hold(gophership_buf_acquire(PAGE_SIZE, GFP_KERNEL))
#define FIVE		do { PLACE; PLACE; PLACE; PLACE; PLACE; } while (0)
#define THIRTY		do { FIVE; FIVE; FIVE; FIVE; FIVE; FIVE; } while (0)
#define HUNDRED_FIFTY	do { THIRTY; THIRTY; THIRTY; THIRTY; THIRTY; } while (0)

static noinline int leaky_take_places(const char *text, const struct kernel_param *param)
{
	if (!pool)
		return -EINVAL;
	HUNDRED_FIFTY;
	HUNDRED_FIFTY;
	return 0;
}

static int leaky_churn(const char *text, const struct kernel_param *param)
{
	unsigned int nr;

	if (kstrtouint(text, 0, &nr) || !pool)
		return -EINVAL;
	while (nr--)
		gophership_buf_release(gophership_pool_acquire(pool, PAGE_SIZE, GFP_KERNEL));
	return 0;
}

static noinline int leaky_retire(const char *text, const struct kernel_param *param)
{
	struct gophership_buf *buf;
	unsigned int nr;

	if (kstrtouint(text, 0, &nr) || !pool)
		return -EINVAL;
	while (nr--) {
		buf = gophership_pool_acquire(pool, 5000, GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		gophership_buf_retire(buf);
	}
	return 0;
}

static const struct kernel_param_ops leak_ops = { .set = leaky_take };
static const struct kernel_param_ops shared_ops = { .set = leaky_take_shared };
static const struct kernel_param_ops places_ops = { .set = leaky_take_places };
static const struct kernel_param_ops churn_ops = { .set = leaky_churn };
static const struct kernel_param_ops retire_ops = { .set = leaky_retire };
module_param_cb(leak, &leak_ops, NULL, 0200);
MODULE_PARM_DESC(leak, "acquire so many of its own pool");
module_param_cb(shared, &shared_ops, NULL, 0200);
MODULE_PARM_DESC(shared, "acquire so many of the machine's pool");
module_param_cb(places, &places_ops, NULL, 0200);
MODULE_PARM_DESC(places, "acquire at 300 places of the machine's pool");
module_param_cb(churn, &churn_ops, NULL, 0200);
MODULE_PARM_DESC(churn, "acquire and release so often");
module_param_cb(retire, &retire_ops, NULL, 0200);
MODULE_PARM_DESC(retire, "acquire and retire so often");

static int __init leaky_init(void)
{
	const struct gophership_pool_params params = { .name = name, .reserve = 1 };

	pool = gophership_pool_create(&params);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	hold(gophership_pool_acquire(pool, PAGE_SIZE, GFP_KERNEL));
	return 0;
}

static void __exit leaky_exit(void)
{
	if (!abandon)
		gophership_buf_release_bulk(held, nr_held);
	gophership_pool_destroy(pool);
	if (killed)
		send_sig(SIGKILL, current, 1);
}

module_init(leaky_init);
module_exit(leaky_exit);

MODULE_DESCRIPTION("A driver that leaks buffers");
MODULE_LICENSE("GPL");
