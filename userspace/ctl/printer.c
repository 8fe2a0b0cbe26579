// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "output.h"
#include "printer.h"
#include "text.h"

#define NS_PER_SECOND	UINT64_C(1000000000)

static bool wants(const struct printer *printer, uint32_t cpu)
{
	return !printer->cpus || printer->cpus[cpu];
}

/*
 * Text
 */

/* "~" stands before a time that is the block's. */
static void print_place(uint64_t time, bool of_block, uint32_t cpu)
{
	printf("%c%6" PRIu64 ".%09" PRIu64 " [%03" PRIu32 "] ", of_block ? '~' : ' ',
	       time / NS_PER_SECOND, time % NS_PER_SECOND, cpu);
}

/* Quoted, as in C. */
static void print_quoted(const char *text, uint32_t len)
{
	uint32_t i;

	putchar('"');
	for (i = 0; i < len; i++) {
		switch (text[i]) {
		case '\n':
			fputs("\\n", stdout);
			break;
		case '\t':
			fputs("\\t", stdout);
			break;
		case '"':
		case '\\':
			putchar('\\');
			/* fall through */
		default:
			putchar(text[i]);
		}
	}
	putchar('"');
}

static void hex_of(const struct gophership_record *record, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *data = record->data;
	uint32_t i;

	for (i = 0; i < record->len; i++) {
		*text++ = digits[data[i] >> 4];
		*text++ = digits[data[i] & 15];
	}
	*text = '\0';
}

/* To be freed. */
static char *make_hex(const struct gophership_record *record)
{
	char *text = malloc(2 * (size_t)record->len + 1);

	if (!text)
		complain_no_memory();
	hex_of(record, text);
	return text;
}

static void print_hex(const struct gophership_record *record)
{
	char *text = make_hex(record);

	fputs(text, stdout);
	free(text);
}

static bool as_text(const struct printer *printer, const struct gophership_record *record)
{
	return !printer->hex && text_is_plain(record->data, record->len);
}

static void print_text(const struct printer *printer, const struct gophership_record *record,
		       bool of_block)
{
	print_place(record->time, of_block, record->cpu);
	printf("#%" PRIu64 " %" PRIu32 ": ", record->sequence, record->len);
	if (as_text(printer, record))
		print_quoted(record->data, record->len);
	else
		print_hex(record);
	putchar('\n');
}

static void print_gap_text(const struct gap *gap)
{
	print_place(gap->time, true, gap->cpu);
	printf("before #%" PRIu64 ":", gap->sequence);
	if (gap->anew)
		printf(" another stream begins");
	if (gap->missing)
		printf("%s %" PRIu64 " missing", gap->anew ? "," : "", gap->missing);
	if (gap->lost)
		printf("%s the driver lost %" PRIu64, gap->anew || gap->missing ? "," : "",
		       gap->lost);
	putchar('\n');
}

/*
 * JSON
 */

static void add_number(struct json_object *object, const char *name, uint64_t number)
{
	json_object_object_add(object, name, json_object_new_uint64(number));
}

static struct json_object *json_place(uint64_t time, bool of_block, uint32_t cpu,
				      uint64_t sequence)
{
	struct json_object *object = json_object_new_object();

	add_number(object, of_block ? "block_time" : "time", time);
	add_number(object, "cpu", cpu);
	add_number(object, "sequence", sequence);
	return object;
}

static void print_json(const struct printer *printer, const struct gophership_record *record,
		       bool of_block)
{
	struct json_object *object, *data;
	bool is_text = as_text(printer, record);
	char *hex;

	object = json_place(record->time, of_block, record->cpu, record->sequence);
	add_number(object, "length", record->len);
	if (is_text) {
		data = json_object_new_string_len(record->data, record->len);
	} else {
		hex = make_hex(record);
		data = json_object_new_string(hex);
		free(hex);
	}
	json_object_object_add(object, is_text ? "text" : "hex", data);
	output_json(stdout, object, JSON_C_TO_STRING_PLAIN);
}

static void print_gap_json(const struct gap *gap)
{
	struct json_object *object = json_place(gap->time, true, gap->cpu, gap->sequence);

	add_number(object, "lost", gap->lost);
	add_number(object, "missing", gap->missing);
	json_object_object_add(object, "anew", json_object_new_boolean(gap->anew));
	output_json(stdout, object, JSON_C_TO_STRING_PLAIN);
}

/*
 * Either
 */

/* Not among the data. */
static void tell_gap(const struct gap *gap)
{
	if (gap->anew)
		note("CPU %" PRIu32 ": another stream begins", gap->cpu);
	if (gap->missing)
		note("CPU %" PRIu32 ": before record %" PRIu64 ", %" PRIu64 " are missing",
		     gap->cpu, gap->sequence, gap->missing);
	if (gap->lost)
		note("CPU %" PRIu32 ": before record %" PRIu64 ", the driver lost %" PRIu64,
		     gap->cpu, gap->sequence, gap->lost);
}

void printer_gap(struct printer *printer, const struct gap *gap)
{
	if (gap_is_none(gap) || !wants(printer, gap->cpu) || printer_is_done(printer))
		return;
	printer->lost += gap->lost;
	printer->missing += gap->missing;
	switch (printer->form) {
	case PRINTER_TEXT:
		print_gap_text(gap);
		break;
	case PRINTER_JSON:
		print_gap_json(gap);
		break;
	case PRINTER_DATA:
	case PRINTER_SHOWN:
		tell_gap(gap);
		break;
	}
}

void printer_record(struct printer *printer, const struct gophership_stream_block *head,
		    const struct gophership_record *record)
{
	bool of_block = !(head->flags & GOPHERSHIP_STREAM_TIMES);

	if (!wants(printer, record->cpu) || printer_is_done(printer))
		return;
	switch (printer->form) {
	case PRINTER_TEXT:
		print_text(printer, record, of_block);
		break;
	case PRINTER_JSON:
		print_json(printer, record, of_block);
		break;
	case PRINTER_DATA:
		fwrite(record->data, 1, record->len, stdout);
		break;
	case PRINTER_SHOWN:
		text_print_plain(stdout, record->data, record->len);
		break;
	}
	printer->printed++;
}

bool printer_is_done(const struct printer *printer)
{
	return (printer->count && printer->printed == printer->count) || output_failed();
}
