/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of ports, by the raw interface, with the drivers echo and pulse. The module is
 * loaded with quota_mb=8 user_limit_mb=24.
 */
#ifndef TESTS_PORT_FIXTURE_H
#define TESTS_PORT_FIXTURE_H

#include "kselftest_harness.h"

#include "device.h"
#include "port.h"
#include "steps.h"

#define ECHO	"/dev/gophership-echo"
#define PULSE	"/dev/gophership-pulse"
#define PAGE	4096U

/* Milliseconds: long enough for a guest whose machine is busy. */
#define PATIENCE	10000

FIXTURE(ports)
{
	int device;
	long long machine_bytes;
	struct port port;
};

FIXTURE_SETUP(ports)
{
	self->device = device_open();
	ASSERT_GE(self->device, 0);
	reset_parameters();
	self->machine_bytes = device_machine_bytes(self->device);
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &self->port));
}

FIXTURE_TEARDOWN(ports)
{
	port_close(&self->port);
	close(self->device);
}

#endif /* TESTS_PORT_FIXTURE_H */
