/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who holds buffers: the table "leased" of debugfs.
 */
#ifndef HOLDERS_H
#define HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/gophership.h>

#include "complain.h"

#define HOLDERS_PATH	"/sys/kernel/debug/gophership/leased"

/**
 * struct holder - a call site that holds buffers of a pool
 * @pool: its name; in the table each byte may be four
 * @site: the call site
 * @buffers: how many
 * @bytes: bytes of these
 * @grew: buffers that have come since the first look; less than 0: gone
 */
struct holder {
	char pool[4 * GOPHERSHIP_STATS_NAME_LEN];
	char site[128];
	uint64_t buffers;
	uint64_t bytes;
	int64_t grew;
};

/**
 * struct holders - all of them
 * @list: the most grown first, then the largest
 * @nr: their number
 */
struct holders {
	struct holder *list;
	size_t nr;
};

/* From the table at @path. Complains by itself. */
enum status holders_read(struct holders *holders, const char *path);
void holders_free(struct holders *holders);
/* What has come since @first, and in what order. */
void holders_compare(struct holders *holders, const struct holders *first);

#endif /* HOLDERS_H */
