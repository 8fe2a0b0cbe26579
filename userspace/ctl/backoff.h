/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is refused for the moment (EAGAIN, EINTR) is tried again, with longer and
 * longer pauses, but not for ever.
 */
#ifndef BACKOFF_H
#define BACKOFF_H

/**
 * struct backoff - refusals in a row
 * @refusals: how many; 0 to begin with, and to begin anew
 * @since: when the first one came, in seconds of the monotonic clock
 */
struct backoff {
	unsigned int refusals;
	double since;
};

/* After one more: when to try again, by that clock; negative: not any more. */
double backoff_next(struct backoff *backoff);
/* Until @time of that clock, or until a signal comes. */
void backoff_sleep(double time);

#endif /* BACKOFF_H */
