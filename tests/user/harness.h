/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's kselftest_harness.h, with more patience: a test that takes three seconds
 * takes half a minute on a busy machine under emulation, and only one that hangs takes all
 * of this.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <kselftest_harness.h>

/* In seconds. */
#ifndef TEST_PATIENCE
#define TEST_PATIENCE		300
#endif
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	TEST_PATIENCE

#endif /* TESTS_HARNESS_H */
