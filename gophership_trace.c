// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the tracepoints' definitions.
 */
#define CREATE_TRACE_POINTS
#include "gophership_trace.h"
