/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All counters, as monitoring systems read them.
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include <stdbool.h>
#include <stdio.h>

#include "device.h"
#include "pools.h"

/**
 * struct exposition - how it is printed
 * @file: where
 * @open: OpenMetrics instead of the text format of Prometheus
 */
struct exposition {
	FILE *file;
	bool open;
};

void exposition_print(const struct exposition *to, const struct device *device,
		      const struct pools *pools);

#endif /* EXPOSITION_H */
