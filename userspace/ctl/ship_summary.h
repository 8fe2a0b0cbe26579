/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What ship says in the end.
 */
#ifndef SHIP_SUMMARY_H
#define SHIP_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct summary - a shipment that has arrived
 * @source: from here
 * @destination: to there
 * @bytes: of the file
 * @engine: name of the engine
 * @fixed: io_uring did it with registered buffers
 * @nr_buffers: buffers borrowed
 * @buffer_bytes: bytes of each
 * @retired: buffers given back while their pages were pinned
 * @direct_read: the source was read with O_DIRECT to its end
 * @direct_write: the destination was written and read back so
 * @mode_kept: the destination has the permissions of the source
 * @copy_seconds: until all was on the disk
 * @verified: the copy was read back
 * @verify_seconds: how long that took
 * @checksum: XXH64 of what was read from the source
 */
struct summary {
	const char *source;
	const char *destination;
	uint64_t bytes;
	const char *engine;
	bool fixed;
	unsigned int nr_buffers;
	uint32_t buffer_bytes;
	uint64_t retired;
	bool direct_read;
	bool direct_write;
	bool mode_kept;
	double copy_seconds;
	bool verified;
	double verify_seconds;
	uint64_t checksum;
};

void summary_print_text(const struct summary *summary);
void summary_print_json(const struct summary *summary);

#endif /* SHIP_SUMMARY_H */
