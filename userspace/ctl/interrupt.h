/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signals that ask us to stop: noted, so that the work can be undone in order.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

void interrupt_catch(void);
/* The number of the signal that came, or 0. */
int interrupt_pending(void);
/* For threads that shall not be chosen to handle them. */
void interrupt_block(void);
void interrupt_unblock(void);

#endif /* INTERRUPT_H */
