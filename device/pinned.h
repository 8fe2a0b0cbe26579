/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: buffers that were given back while they were pinned.
 */
#ifndef GOPHERSHIP_DEVICE_PINNED_H
#define GOPHERSHIP_DEVICE_PINNED_H

#include "device/types.h"

bool gophership_loan_pinned(const struct gophership_loan *loan);
void gophership_pinned_add(struct gophership_loan *loan, struct gophership_account *account);
unsigned int gophership_pinned_look(unsigned int max);
void gophership_pinned_exit(void);

#endif /* GOPHERSHIP_DEVICE_PINNED_H */
