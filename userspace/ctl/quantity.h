/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes and numbers, as people write and read them.
 */
#ifndef QUANTITY_H
#define QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

/* Room for any text that the functions below make. */
struct quantity {
	char text[24];
};

/* "0 B", "4 KiB", "1.5 GiB" */
struct quantity quantity_bytes(uint64_t bytes);
/* "85.3 MiB/s" */
struct quantity quantity_rate(uint64_t bytes, double seconds);
/* "99.8%", or "-" of nothing */
struct quantity quantity_share(uint64_t part, uint64_t whole);

/* "4096", "64K", "64KiB", "1M", "1G"; false if it is nothing of that kind */
bool quantity_parse_bytes(const char *text, uint64_t *bytes);
/* a plain number, from @least to @most */
bool quantity_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number);

#endif /* QUANTITY_H */
