/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What would keep a finished copy from getting its name, as far as that can be
 * known before the first byte is written.
 */
#ifndef SHIP_REFUSAL_H
#define SHIP_REFUSAL_H

#include "ship_file.h"

/* Complains by itself. */
enum status ship_refusal_check(const struct ship_destination *destination);

#endif /* SHIP_REFUSAL_H */
