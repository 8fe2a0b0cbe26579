/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module share.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/types.h>

#include "gophership_buf.h"

/* main.c: buffers that know who holds them, and a locker to exchange them in */
extern atomic_t torture_mistakes;
struct gophership_buf *torture_take(size_t size, gfp_t gfp);
struct gophership_buf *torture_take_must(size_t size);
void torture_give(struct gophership_buf *buf);
void torture_put_in_locker(unsigned int place, struct gophership_buf *buf);
void torture_empty_locker(void);
int torture_fill(unsigned long nr, unsigned long class);

/* contexts.c */
int torture_contexts(unsigned long milliseconds, unsigned long class);

/* hog.c */
void torture_hog(unsigned long left);
void torture_hog_blocks(unsigned int order);
void torture_stall(unsigned long milliseconds);
int torture_grab(unsigned long nr, unsigned long nr_stalled);
void torture_hog_node(unsigned long nid);
void torture_unhog(void);

/* must.c */
int torture_must(unsigned long milliseconds, unsigned long class);
int torture_starve(unsigned long milliseconds, unsigned long class, unsigned long left);

#endif /* TORTURE_H */
