/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what lies idle of the loans.
 */
#ifndef GOPHERSHIP_DEVICE_IDLE_H
#define GOPHERSHIP_DEVICE_IDLE_H

#include <uapi/linux/gophership.h>

#include "device/types.h"

struct gophership_loan *gophership_loan_acquire(unsigned int class, size_t size,
						const struct gophership_account *account);
void gophership_loan_released(struct gophership_loan *loan,
			      const struct gophership_account *account);
void gophership_idle_add(struct gophership_loan *loan);
void gophership_idle_stats(unsigned int class, struct gophership_class_counters *row);
unsigned long gophership_idle_trim(void);
int gophership_idle_init(void);
void gophership_idle_exit(void);

#endif /* GOPHERSHIP_DEVICE_IDLE_H */
