// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "quantity.h"

static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

#define NR_UNITS	(sizeof(units) / sizeof(units[0]))

struct quantity quantity_bytes(uint64_t bytes)
{
	struct quantity result;
	unsigned int unit = 0;
	double value = bytes;

	/* 1023.95 would be printed as 1024.0 of the smaller unit. */
	while (value >= 1023.95 && unit + 1 < NR_UNITS) {
		value /= 1024;
		unit++;
	}
	if (bytes == (uint64_t)value << (10 * unit))
		snprintf(result.text, sizeof(result.text), "%.0f %s", value, units[unit]);
	else
		snprintf(result.text, sizeof(result.text), "%.1f %s", value, units[unit]);
	return result;
}

struct quantity quantity_rate(uint64_t bytes, double seconds)
{
	struct quantity result;
	unsigned int unit = 0;
	double value = seconds > 0 ? bytes / seconds : 0;

	while (value >= 1023.95 && unit + 1 < NR_UNITS) {
		value /= 1024;
		unit++;
	}
	snprintf(result.text, sizeof(result.text), "%.1f %s/s", value, units[unit]);
	return result;
}

struct quantity quantity_share(uint64_t part, uint64_t whole)
{
	struct quantity result;
	unsigned int permille;

	/* Rounded down: 100.0% is said of nothing less. */
	if (whole) {
		permille = 1000.0 * part / whole;
		snprintf(result.text, sizeof(result.text), "%u.%u%%", permille / 10, permille % 10);
	} else {
		strcpy(result.text, "-");
	}
	return result;
}

static bool parse(const char *text, uint64_t *number, const char **rest)
{
	unsigned long long value;
	char *end;

	/* strtoull() takes spaces and signs, even a minus. */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	*number = value;
	*rest = end;
	return true;
}

bool quantity_parse_bytes(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMG";
	const char *rest, *letter;
	unsigned int shift = 0;
	uint64_t value;

	if (!parse(text, &value, &rest))
		return false;
	letter = *rest ? strchr(letters, toupper((unsigned char)*rest)) : NULL;
	if (letter) {
		shift = 10 * (letter - letters + 1);
		rest++;
		if (!strcasecmp(rest, "iB"))
			rest += 2;
	}
	if (*rest || value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

bool quantity_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
	const char *rest;

	return parse(text, number, &rest) && !*rest && *number >= least && *number <= most;
}
