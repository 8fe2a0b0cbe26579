// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what user space names a loan by.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/siphash.h>
#include <linux/xarray.h>

#include "device/handle.h"
#include "device/offsets.h"

/*
 * A handle. The generation is the low bits of a counter of 64 bits; the MAC
 * covers all of it. A slot's handle is compared as a whole. The MAC decides
 * what to call a handle that is not live: one of ours from before, or none.
 * So a handle that is more than 2^24 generations old counts as none.
 */
#define HANDLE_SLOT		GENMASK_ULL(17, 0)
#define HANDLE_CLASS		GENMASK_ULL(20, 18)
#define HANDLE_GENERATION	GENMASK_ULL(44, 21)
#define HANDLE_MAC		GENMASK_ULL(63, 45)
#define HANDLE_PLACE		(HANDLE_SLOT | HANDLE_CLASS)

static_assert((u64)GOPHERSHIP_QUOTA_MB_MAX << 20 >> PAGE_SHIFT <= HANDLE_SLOT + 1);
static_assert((GOPHERSHIP_NR_CLASSES - 1) * (HANDLE_SLOT + 1) <= HANDLE_CLASS);

static u64 handle_make(const struct gophership_context *context, u64 place, u64 generation)
{
	u64 mac = siphash_2u64(place, generation, &context->key);

	return place | FIELD_PREP(HANDLE_GENERATION, generation & FIELD_MAX(HANDLE_GENERATION)) |
	       (mac & HANDLE_MAC);
}

/* A handle for @loan. Context: context->lock held for writing. */
u64 gophership_handle_next(struct gophership_context *context, const struct gophership_loan *loan)
{
	u64 place = FIELD_PREP(HANDLE_SLOT, loan->slot) | FIELD_PREP(HANDLE_CLASS, loan->class);
	u64 handle;

	lockdep_assert_held_write(&context->lock);
	do {
		handle = handle_make(context, place, ++context->generation);
	} while (!handle);
	return handle;
}

/* What is wrong with a handle that is not live. Context: context->lock held. */
int gophership_handle_verdict(const struct gophership_context *context, u64 handle)
{
	u64 low = FIELD_GET(HANDLE_GENERATION, handle);
	u64 age = (context->generation - low) & FIELD_MAX(HANDLE_GENERATION);

	lockdep_assert_held(&context->lock);
	if (age >= context->generation - context->first)
		return -EINVAL;
	if (handle != handle_make(context, handle & HANDLE_PLACE, context->generation - age))
		return -EINVAL;
	return -EALREADY;
}

/* The live loan that @handle names, or NULL. Context: context->lock held. */
struct gophership_loan *gophership_handle_find(struct gophership_context *context, u64 handle)
{
	unsigned int class = FIELD_GET(HANDLE_CLASS, handle);
	struct gophership_loan *loan;

	lockdep_assert_held(&context->lock);
	if (!handle || class >= GOPHERSHIP_NR_CLASSES)
		return NULL;
	loan = xa_load(&context->loans[class], FIELD_GET(HANDLE_SLOT, handle));
	return loan && loan->handle == handle ? loan : NULL;
}
