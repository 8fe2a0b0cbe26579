/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signals that ask us to stop: noted, so that the work can be undone in order.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdint.h>

void interrupt_catch(void);
/* After that: "| head" ends us as it ends other programs. For those that only show something. */
void interrupt_leave_pipe(void);
/*
 * As if one came after so many seconds, and again and again after that: a write to a pipe
 * that nobody reads does not last longer, also where it begins at that moment.
 */
void interrupt_after(uint64_t seconds);
/* The number of the signal that came, or 0. */
int interrupt_pending(void);
/* For threads that shall not be chosen to handle them. */
void interrupt_block(void);
void interrupt_unblock(void);
/* Until the time is over, or one of them comes or has come. */
void interrupt_sleep(uint64_t seconds);
/*
 * So, too, until @fd can be read, or SIGWINCH comes, which may be blocked: it waits for that.
 * What poll() says of @fd, or 0.
 */
int interrupt_poll(int fd, double seconds);

#endif /* INTERRUPT_H */
