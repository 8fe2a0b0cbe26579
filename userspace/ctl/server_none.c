// SPDX-License-Identifier: GPL-2.0
/* Where there is no libmicrohttpd: see server_microhttpd.c, and the Makefile. */
#include "server.h"

enum status server_run(const union loopback *address, const struct page *page)
{
	(void)address;
	(void)page;
	complain("--listen is not in this build, which was made without libmicrohttpd");
	return STATUS_FAILED;
}
