/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of ports do again and again. */
#ifndef TESTS_PORT_STEPS_H
#define TESTS_PORT_STEPS_H

#include <stdbool.h>
#include <time.h>

#include "port.h"

/* A parameter of pulse, as it is now; -1 if there is none. */
long parameter(const char *name);
int set_parameter(const char *name, const char *value);
bool parameter_becomes(const char *name, long value);
/* As they are when pulse is loaded: a test that failed may have left them otherwise. */
void reset_parameters(void);

/* It is not 20 seconds since @begin. */
bool in_time(const struct timespec *begin);
/* Receive, and wait for it as long as it takes, within reason. */
bool receive(struct port *port, struct gophership_entry *entry);
bool machine_bytes_become(int device, long long bytes);

#endif /* TESTS_PORT_STEPS_H */
