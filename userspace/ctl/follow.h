/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Following a stream: the records are printed as its driver delivers them.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "printer.h"
#include "transfer.h"

/*
 * @transfer: the endpoint and the buffers. @seconds: end after so long; 0: not for that.
 * Complains by itself.
 */
enum status follow(const struct transfer *transfer, struct printer *printer,
		   struct ledger *ledger, uint64_t seconds);

#endif /* FOLLOW_H */
