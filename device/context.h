/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: contexts, made and unmade.
 */
#ifndef GOPHERSHIP_DEVICE_CONTEXT_H
#define GOPHERSHIP_DEVICE_CONTEXT_H

#include <uapi/linux/gophership.h>

#include "device/types.h"

struct seq_file;

struct gophership_context *gophership_context_new(void);
void gophership_context_close(struct gophership_context *context);
void gophership_context_get(struct gophership_context *context);
void gophership_context_put(struct gophership_context *context);
void gophership_context_refused(struct gophership_context *context, int error);
void gophership_context_peek(const struct gophership_context *context,
			     struct gophership_stats *stats);
void gophership_context_stats(struct gophership_context *context, struct gophership_stats *stats);
void gophership_context_fdinfo(struct seq_file *seq, struct gophership_context *context);
struct list_head *gophership_contexts_lock(void);
void gophership_contexts_unlock(void);
int gophership_contexts_init(void);
void gophership_contexts_exit(void);

#endif /* GOPHERSHIP_DEVICE_CONTEXT_H */
