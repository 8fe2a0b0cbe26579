/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: loans, made and unmade.
 */
#ifndef GOPHERSHIP_DEVICE_LOAN_H
#define GOPHERSHIP_DEVICE_LOAN_H

#include "device/types.h"

struct list_lru;

struct gophership_loan *gophership_loan_new(unsigned int class, struct list_lru *lru);
void gophership_loan_free(struct gophership_loan *loan);
void gophership_loan_forget(struct gophership_loan *loan);
int gophership_loans_init(void);
void gophership_loans_exit(void);

#endif /* GOPHERSHIP_DEVICE_LOAN_H */
