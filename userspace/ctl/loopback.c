// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "loopback.h"
#include "quantity.h"

#define MOST_PORT	65535

static const char *parse_six(const char *text, size_t length, union loopback *address)
{
	char host[INET6_ADDRSTRLEN];

	if (length < 2 || text[length - 1] != ']' || length - 2 >= sizeof(host))
		return "an address of IPv6 stands in brackets: [::1]:PORT";
	*(char *)mempcpy(host, text + 1, length - 2) = '\0';
	address->six.sin6_family = AF_INET6;
	if (inet_pton(AF_INET6, host, &address->six.sin6_addr) != 1)
		return "it wants an address in numbers, as 127.0.0.1 or [::1]";
	if (!IN6_IS_ADDR_LOOPBACK(&address->six.sin6_addr))
		return "it listens on loopback alone: 127.0.0.1 or [::1]";
	return NULL;
}

static const char *parse_four(const char *text, size_t length, union loopback *address)
{
	char host[INET_ADDRSTRLEN];

	if (length >= sizeof(host))
		return "it wants an address in numbers, as 127.0.0.1 or [::1]";
	*(char *)mempcpy(host, text, length) = '\0';
	address->four.sin_family = AF_INET;
	if (inet_pton(AF_INET, host, &address->four.sin_addr) != 1)
		return "it wants an address in numbers, as 127.0.0.1 or [::1]";
	if (ntohl(address->four.sin_addr.s_addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET)
		return "it listens on loopback alone: 127.0.0.1 or [::1]";
	return NULL;
}

const char *loopback_parse(const char *text, union loopback *address)
{
	const char *colon = strrchr(text, ':'), *wrong = NULL;
	uint64_t port;

	memset(address, 0, sizeof(*address));
	if (!colon) {
		address->four.sin_family = AF_INET;
		address->four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else if (*text == '[') {
		wrong = parse_six(text, colon - text, address);
	} else {
		wrong = parse_four(text, colon - text, address);
	}
	if (wrong)
		return wrong;
	if (!quantity_parse_number(colon ? colon + 1 : text, 0, MOST_PORT, &port))
		return "it wants a port, from 0 to 65535, or an address and a port";
	if (address->any.sa_family == AF_INET)
		address->four.sin_port = htons(port);
	else
		address->six.sin6_port = htons(port);
	return NULL;
}

void loopback_text(const union loopback *address, char text[LOOPBACK_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->four.sin_addr, host, sizeof(host));
		snprintf(text, LOOPBACK_TEXT, "%s:%u", host, ntohs(address->four.sin_port));
	} else {
		inet_ntop(AF_INET6, &address->six.sin6_addr, host, sizeof(host));
		snprintf(text, LOOPBACK_TEXT, "[%s]:%u", host, ntohs(address->six.sin6_port));
	}
}
