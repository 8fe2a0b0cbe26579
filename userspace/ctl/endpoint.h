/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Endpoints: where drivers wait for ports. Complains by itself, as the functions of
 * device.h do.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdint.h>

#include <linux/gophership.h>

#include "complain.h"

/**
 * struct endpoint - an endpoint
 * @path: of its node; to be freed by endpoint_free()
 * @info: what it takes
 */
struct endpoint {
	char *path;
	struct gophership_endpoint_info info;
};

/* Asks the endpoint with that path, or NAME of /dev/gophership-NAME, what it takes. */
enum status endpoint_find(struct endpoint *endpoint, const char *name);
void endpoint_free(struct endpoint *endpoint);

#endif /* ENDPOINT_H */
