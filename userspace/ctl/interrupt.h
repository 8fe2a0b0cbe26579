/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signals that ask us to stop: noted, so that the work can be undone in order.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdint.h>

void interrupt_catch(void);
/* The number of the signal that came, or 0. */
int interrupt_pending(void);
/* For threads that shall not be chosen to handle them. */
void interrupt_block(void);
void interrupt_unblock(void);
/* Until the time is over, or one of them comes or has come. */
void interrupt_sleep(uint64_t seconds);

#endif /* INTERRUPT_H */
