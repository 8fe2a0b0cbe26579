/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of this machine alone.
 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <netinet/in.h>

/* One of either family. */
union loopback {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

/* Room for what loopback_text() writes. */
#define LOOPBACK_TEXT	(INET6_ADDRSTRLEN + sizeof("[]:65535"))

/*
 * "PORT", "127.0.0.1:PORT" or "[::1]:PORT"; port 0 is any free one. NULL, or what is wrong
 * with it.
 */
const char *loopback_parse(const char *text, union loopback *address);
/* As it is parsed. */
void loopback_text(const union loopback *address, char text[LOOPBACK_TEXT]);

#endif /* LOOPBACK_H */
