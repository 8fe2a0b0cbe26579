/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A page for monitoring systems, by HTTP: server_microhttpd.c, or server_none.c where the
 * build has no libmicrohttpd.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdio.h>

#include "complain.h"

union loopback;

/**
 * struct page - what is served
 * @make: writes it to @file, as OpenMetrics or as the text format of Prometheus. It complains
 *	by itself where it cannot be made, and readers are told of that. Called in another
 *	thread, one call at a time.
 * @priv: for @make
 */
struct page {
	enum status (*make)(FILE *file, bool open, void *priv);
	void *priv;
};

/* Until a signal comes. Complains by itself, also where this build has no such thing. */
enum status server_run(const union loopback *address, const struct page *page);

#endif /* SERVER_H */
