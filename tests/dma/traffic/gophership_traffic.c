// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for QEMU's "edu" device that is bound and unbound while its pool is at work: a
 * thread of each CPU acquires, synchronises and releases. It is not unbound before each of
 * them has done so for a while. Some buffers are on loan then, and the threads go on with
 * their syncs while what is mapped is unmapped: by gophership_pool_destroy() in remove(), or,
 * every other time, by the end of the driver, which has forgotten its pool.
 *
 * The parameters "cycles" and "wrong" tell how often it was unbound, and what went wrong.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "gophership_dma.h"

#define HELD	6
#define ROUNDS	64

/**
 * struct worker - a thread, and what it has on loan
 * @task: the thread
 * @warm: it has acquired and released for a while
 * @parked: it acquires no more
 * @bufs: on loan
 */
struct worker {
	struct task_struct *task;
	struct completion warm;
	struct completion parked;
	struct gophership_buf *bufs[HELD];
};

static struct gophership_pool *pool;
static struct worker workers[NR_CPUS];
static bool leaving;
static atomic_t errors = ATOMIC_INIT(0);
static unsigned int cycles, wrong;
module_param(cycles, uint, 0444);
module_param(wrong, uint, 0444);

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	wrong = atomic_inc_return(&errors);
	pr_err_ratelimited("gophership_traffic: cycle %u: %s\n", cycles, what);
}

static void sync(struct gophership_buf *buf)
{
	gophership_buf_sync_for_device(buf, 0, buf->capacity);
	gophership_buf_sync_for_cpu(buf, 0, buf->capacity);
}

/* Replace the buffer in @place by another, of each size in turn. */
static void exchange(struct worker *worker, unsigned int place, unsigned int round)
{
	struct gophership_buf *buf = gophership_pool_acquire(pool, PAGE_SIZE << round % 4,
							     GFP_KERNEL);

	expect(buf, "no buffer");
	if (!buf)
		return;
	expect(gophership_buf_dma(buf) != DMA_MAPPING_ERROR, "a buffer without an address");
	sync(buf);
	if (worker->bufs[place])
		expect(!gophership_buf_release(worker->bufs[place]), "a release is refused");
	worker->bufs[place] = buf;
}

static void release_all(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < HELD; i++) {
		if (!worker->bufs[i])
			continue;
		expect(gophership_buf_dma(worker->bufs[i]) == DMA_MAPPING_ERROR,
		       "an address that is left");
		expect(!gophership_buf_release(worker->bufs[i]), "a late release is refused");
		worker->bufs[i] = NULL;
	}
}

static int work(void *arg)
{
	struct worker *worker = arg;
	unsigned int round;

	for (round = 0; !READ_ONCE(leaving); round++) {
		exchange(worker, round % HELD, round);
		/* Some of the mappings end, others are made. */
		if (round % ROUNDS == ROUNDS / 2)
			gophership_pool_trim(pool);
		if (round == ROUNDS)
			complete(&worker->warm);
		cond_resched();
	}
	complete(&worker->parked);
	for (round = 0; !kthread_should_stop(); round++) {
		if (worker->bufs[round % HELD])
			sync(worker->bufs[round % HELD]);
		/* No grace period waits for this thread. */
		usleep_range(10, 50);
	}
	release_all(worker);
	return 0;
}

static unsigned int on_loan(void)
{
	unsigned int cpu, i, nr = 0;

	for_each_present_cpu(cpu)
		for (i = 0; i < HELD; i++)
			nr += !!workers[cpu].bufs[i];
	return nr;
}

/* Threads and pool of the time before; the pool's mappings are gone, or go now. */
static void finish(void)
{
	unsigned int cpu;

	if (!pool)
		return;
	expect(gophership_pool_destroy(pool) == on_loan(), "other buffers are on loan");
	pool = NULL;
	for_each_present_cpu(cpu) {
		if (workers[cpu].task)
			kthread_stop(workers[cpu].task);
		workers[cpu].task = NULL;
	}
}

static int begin(struct worker *worker, unsigned int cpu)
{
	struct task_struct *task;

	init_completion(&worker->warm);
	init_completion(&worker->parked);
	task = kthread_create(work, worker, "traffic/%u", cpu);
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	worker->task = task;
	wake_up_process(task);
	return 0;
}

static int probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	struct gophership_pool_params params = {
		.name = "traffic", .dev = &dev->dev, .dma_dir = DMA_BIDIRECTIONAL, .reserve = 2,
	};
	unsigned int cpu;
	int ret;

	finish();
	ret = pcim_enable_device(dev) ?: dma_set_mask(&dev->dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	pool = gophership_pool_create(&params);
	if (IS_ERR(pool)) {
		ret = PTR_ERR(pool);
		pool = NULL;
		return ret;
	}
	WRITE_ONCE(leaving, false);
	for_each_present_cpu(cpu)
		expect(!begin(&workers[cpu], cpu), "no thread");
	return 0;
}

static void remove(struct pci_dev *dev)
{
	unsigned int cpu;

	for_each_present_cpu(cpu)
		if (workers[cpu].task)
			wait_for_completion(&workers[cpu].warm);
	WRITE_ONCE(leaving, true);
	for_each_present_cpu(cpu)
		if (workers[cpu].task)
			wait_for_completion(&workers[cpu].parked);
	expect(on_loan() >= HELD, "nothing is on loan");
	if (cycles++ % 2)
		finish();
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };

static struct pci_driver driver = {
	.name = "gophership_traffic",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};

static int __init traffic_init(void)
{
	return pci_register_driver(&driver);
}
module_init(traffic_init);

static void __exit traffic_exit(void)
{
	pci_unregister_driver(&driver);
	finish();
}
module_exit(traffic_exit);

MODULE_DESCRIPTION("GopherShip's test of a pool whose driver comes and goes");
MODULE_LICENSE("GPL");
