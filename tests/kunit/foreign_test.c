// SPDX-License-Identifier: GPL-2.0
/*
 * A release of what is no buffer of ours: an error, a count, and nothing else.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "support.h"

static DEFINE_PER_CPU(struct gophership_buf, percpu_buf);
static struct gophership_buf static_buf;
static const struct gophership_buf const_buf;

static void expect_foreign(struct kunit *test, const void *pointer)
{
	u64 foreign = gk_foreign(), doubled = gk_doubled();

	KUNIT_EXPECT_EQ_MSG(test, gophership_buf_release((struct gophership_buf *)pointer), -EINVAL,
			    "release of %p", pointer);
	KUNIT_EXPECT_EQ_MSG(test, gk_foreign(), foreign + 1, "after release of %p", pointer);
	KUNIT_EXPECT_EQ_MSG(test, gk_doubled(), doubled, "after release of %p", pointer);
}

/*
 * Some buffers on loan, spread over the slabs, so that what is between them is
 * within the bounds that a quick check might look at.
 */
#define LENT	64
static struct gophership_buf *lent[LENT];

static int foreign_init(struct kunit *test)
{
	int ret = gk_init(test);

	if (ret)
		return ret;
	return gophership_buf_acquire_bulk(1, GFP_KERNEL, LENT, lent) == LENT ? 0 : -ENOMEM;
}

/* All of them are still what they were. */
static void foreign_exit(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(lent, LENT), LENT);
	gk_expect_sound(test, GK_MACHINE, 1);
	gk_exit(test);
}

static void foreign_null(struct kunit *test)
{
	u64 foreign = gk_foreign();

	KUNIT_EXPECT_EQ(test, gophership_buf_release(NULL), 0);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign);
}

static void foreign_error_pointers(struct kunit *test)
{
	static const long errors[] = { -1, -ENOMEM, -EINVAL, -EALREADY, -MAX_ERRNO };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++)
		expect_foreign(test, ERR_PTR(errors[i]));
}

static void foreign_user_addresses(struct kunit *test)
{
	static const unsigned long addresses[] = {
		1, 8, 63, 64, 4095, 4096, 0x400000, 0x7f0000000000, 0x7ffffffff000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++)
		expect_foreign(test, (void *)addresses[i]);
}

static void foreign_non_canonical(struct kunit *test)
{
	unsigned long buf = (unsigned long)lent[0];
	unsigned int bit;

	expect_foreign(test, (void *)0x0000800000000000);
	expect_foreign(test, (void *)0x8000000000000000);
	expect_foreign(test, (void *)0xdead000000000100);
	expect_foreign(test, (void *)0xfffe7fffffffffc0);
	expect_foreign(test, (void *)0x5a5a5a5a5a5a5a40);
	expect_foreign(test, (void *)0x6b6b6b6b6b6b6b6b);
	/* A good pointer with one bit flipped, of those no other buffer has. */
	for (bit = 40; bit < 64; bit++)
		expect_foreign(test, (void *)(buf ^ 1UL << bit));
}

static void foreign_unmapped(struct kunit *test)
{
	unsigned long ram = totalram_pages() << PAGE_SHIFT;
	void *area = vmalloc(4 * PAGE_SIZE);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, area);
	/* The guard page behind an area, then where it was. */
	expect_foreign(test, area + 4 * PAGE_SIZE);
	vfree(area);
	vm_unmap_aliases();
	expect_foreign(test, area);
	expect_foreign(test, area + 4 * PAGE_SIZE - sizeof(struct gophership_buf));
	/* Past the end of RAM in the direct mapping. */
	for (i = 2; i < 64; i *= 2)
		expect_foreign(test, __va(i * ram));
}

static void foreign_freed_page(struct kunit *test)
{
	unsigned long page = __get_free_page(GFP_KERNEL);

	KUNIT_ASSERT_NE(test, page, 0);
	free_page(page);
	expect_foreign(test, (void *)page);
	expect_foreign(test, (void *)page + 64);
}

static void foreign_stack(struct kunit *test)
{
	struct gophership_buf on_stack = *lent[0];

	expect_foreign(test, &on_stack);
	expect_foreign(test, current);
	expect_foreign(test, task_stack_page(current));
}

static void foreign_kmalloc(struct kunit *test)
{
	static const size_t sizes[] = { 8, 64, 96, 128, 256, 4096, 65536 };
	void *memory;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memory = kmalloc(sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, memory);
		memset(memory, 0xff, sizes[i]);
		expect_foreign(test, memory);
		memset(memory, 0, sizes[i]);
		expect_foreign(test, memory);
		kfree(memory);
	}
}

static void foreign_static(struct kunit *test)
{
	expect_foreign(test, &static_buf);
	expect_foreign(test, &const_buf);
	expect_foreign(test, raw_cpu_ptr(&percpu_buf));
	expect_foreign(test, (const void __force *)&percpu_buf);
	expect_foreign(test, &init_task);
#ifdef MODULE
	expect_foreign(test, THIS_MODULE);
#endif
}

static void foreign_text(struct kunit *test)
{
	expect_foreign(test, foreign_text);
	expect_foreign(test, gophership_buf_release);
	expect_foreign(test, (void *)((unsigned long)gophership_buf_release & -64UL));
	expect_foreign(test, vfree);
}

/* The payload, its page, and what a holder could put there. */
static void foreign_payload(struct kunit *test)
{
	expect_foreign(test, lent[0]->data);
	expect_foreign(test, virt_to_page(lent[0]->data));
	memcpy(lent[0]->data, lent[1], sizeof(struct gophership_buf));
	expect_foreign(test, lent[0]->data);
	memcpy(lent[0]->data, lent[0], sizeof(struct gophership_buf));
	expect_foreign(test, lent[0]->data);
}

/* Everything in a descriptor can be copied but its address. */
static void foreign_look_alike(struct kunit *test)
{
	struct gophership_buf *copy, image;
	unsigned int i;

	for (i = 0; i < LENT; i++) {
		copy = kmemdup(lent[i], sizeof(*copy), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)copy, 64));
		image = *copy;
		expect_foreign(test, copy);
		KUNIT_EXPECT_MEMEQ(test, copy, &image, sizeof(image));
		kfree(copy);
	}
}

/* An image of a free descriptor is as foreign as one of a leased one. */
static void foreign_look_alike_free(struct kunit *test)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL), *copy;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	copy = kmemdup(buf, sizeof(*buf), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	expect_foreign(test, copy);
	kfree(copy);
}

static void foreign_inside(struct kunit *test)
{
	struct gophership_buf image = *lent[3];
	unsigned int offset;

	for (offset = 1; offset < sizeof(struct gophership_buf); offset++)
		expect_foreign(test, (void *)lent[3] + offset);
	KUNIT_EXPECT_MEMEQ(test, lent[3], &image, sizeof(image));
}

/* The same where a 64-byte step lands beside the descriptors of a slab. */
static void foreign_around(struct kunit *test)
{
	u64 foreign = gk_foreign();
	unsigned int i;
	int ret;

	/* The beginning of the direct mapping is no slab of ours. */
	expect_foreign(test, __va(PAGE_SIZE));
	for (i = 0; i < 8; i++) {
		/* A neighbour may be a free or foreign object, or one of ours. */
		void *neighbour = (void *)lent[i] + 64;
		unsigned int j;

		for (j = 0; j < LENT && neighbour != lent[j]; j++)
			;
		if (j < LENT)
			continue;
		ret = gophership_buf_release(neighbour);
		KUNIT_EXPECT_TRUE(test, ret == -EINVAL || ret == -EALREADY);
	}
	KUNIT_EXPECT_GT(test, gk_foreign(), foreign);
}

/* A descriptor that the pool has freed, whoever has its memory now. */
static void foreign_freed(struct kunit *test)
{
	struct gophership_buf **bufs = kunit_kcalloc(test, 300, sizeof(*bufs), GFP_KERNEL);
	u64 refused = gk_foreign() + gk_doubled();
	unsigned int i, nr, accepted = 0;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	nr = gophership_buf_acquire_bulk(gk_capacity(2), GFP_KERNEL, 300, bufs);
	KUNIT_EXPECT_EQ(test, nr, 300);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
	KUNIT_EXPECT_GT(test, gophership_pool_trim(GK_MACHINE), 0);
	/* On their way, */
	for (i = 0; i < nr; i++)
		accepted += gophership_buf_release(bufs[i]) == 0;
	rcu_barrier();
	/* and gone. */
	for (i = 0; i < nr; i++)
		accepted += gophership_buf_release(bufs[i]) == 0;
	KUNIT_EXPECT_EQ(test, accepted, 0);
	KUNIT_EXPECT_EQ(test, gk_foreign() + gk_doubled(), refused + 2 * nr);
	gk_expect_sound(test, GK_MACHINE, gk_capacity(2));
}

static void foreign_freed_large(struct kunit *test)
{
	struct gophership_buf *buf = gophership_buf_acquire(GOPHERSHIP_MAX_POOLED + 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_LT(test, gophership_buf_release(buf), 0);
	rcu_barrier();
	KUNIT_EXPECT_LT(test, gophership_buf_release(buf), 0);
}

static bool is_lent(u64 value)
{
	unsigned int i;

	for (i = 0; i < LENT; i++)
		if (value == (unsigned long)lent[i])
			return true;
	return false;
}

/* Any bits at all. */
static void foreign_any_value(struct kunit *test)
{
	u64 value = 0x9e3779b97f4a7c15, foreign = gk_foreign();
	unsigned int i, accepted = 0, lucky = 0;

	for (i = 0; i < 20000; i++) {
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
		/* Aligned, and half of them in the direct mapping. */
		if (i % 2)
			value = (unsigned long)__va(value % SZ_4G);
		/* Once in a hundred runs it is the right one to release. */
		if (is_lent(value & -64UL))
			lucky++;
		else
			accepted += gophership_buf_release((void *)(value & -64UL)) != -EINVAL;
	}
	/* One of ours that lies in the pool may be hit, too: refused in another way. */
	KUNIT_EXPECT_LE(test, accepted, 4);
	KUNIT_EXPECT_GE(test, gk_foreign(), foreign + 20000 - 4 - lucky);
}

static struct kunit_case foreign_cases[] = {
	KUNIT_CASE(foreign_null),
	KUNIT_CASE(foreign_error_pointers),
	KUNIT_CASE(foreign_user_addresses),
	KUNIT_CASE(foreign_non_canonical),
	KUNIT_CASE(foreign_unmapped),
	KUNIT_CASE(foreign_freed_page),
	KUNIT_CASE(foreign_stack),
	KUNIT_CASE(foreign_kmalloc),
	KUNIT_CASE(foreign_static),
	KUNIT_CASE(foreign_text),
	KUNIT_CASE(foreign_payload),
	KUNIT_CASE(foreign_look_alike),
	KUNIT_CASE(foreign_look_alike_free),
	KUNIT_CASE(foreign_inside),
	KUNIT_CASE(foreign_around),
	KUNIT_CASE(foreign_freed),
	KUNIT_CASE(foreign_freed_large),
	KUNIT_CASE(foreign_any_value),
	{}
};

static struct kunit_suite foreign_suite = {
	.name = "gophership_foreign",
	.init = foreign_init,
	.exit = foreign_exit,
	.test_cases = foreign_cases,
};

kunit_test_suite(foreign_suite);
