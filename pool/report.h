/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: reports for the log, from any context.
 */
#ifndef GOPHERSHIP_POOL_REPORT_H
#define GOPHERSHIP_POOL_REPORT_H

#include <linux/types.h>

#include "pool/registry.h"
#include "pool/site.h"

enum gophership_report_kind {
	GOPHERSHIP_REPORT_FOREIGN,	/* no buffer of ours was released */
	GOPHERSHIP_REPORT_PORT,		/* one that belongs to a port */
	GOPHERSHIP_REPORT_DOUBLED,	/* one that was not leased */
	GOPHERSHIP_REPORT_STALE,	/* one was released by two CPUs at once */
	GOPHERSHIP_REPORT_POISON,	/* one was written to while it was free */
};

/**
 * struct gophership_report - a caller's mistake
 * @kind: what it is
 * @ptr: what was released; not followed
 * @call_site: of that release, if it is known
 * @acquired_by: call site of the last acquire; POISON does not tell it
 * @released_by: call site of the last release
 * @offset: POISON only: the first byte that was written to
 */
struct gophership_report {
	enum gophership_report_kind kind;
	const void *ptr;
	unsigned long call_site;
	unsigned long acquired_by;
	unsigned long released_by;
	size_t offset;
};

void gophership_report(const struct gophership_report *report);
void gophership_report_leak(const char *pool, const struct gophership_leak *leak);
void gophership_report_exit(void);

#endif /* GOPHERSHIP_POOL_REPORT_H */
