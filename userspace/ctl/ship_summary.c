// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "output.h"
#include "quantity.h"
#include "ship_summary.h"
#include "text.h"

static const char *way(const struct summary *summary)
{
	if (summary->direct_read && summary->direct_write)
		return "O_DIRECT at both ends";
	if (summary->direct_read)
		return "O_DIRECT for reads only";
	if (summary->direct_write)
		return "O_DIRECT for writes only";
	return "page cache, no O_DIRECT";
}

static void print_engine(const struct summary *summary)
{
	if (summary->fixed)
		printf("io_uring with the buffers registered");
	else if (summary->engine[0] == 'u')
		printf("io_uring");
	else
		printf("%u thread%s", summary->nr_buffers, summary->nr_buffers == 1 ? "" : "s");
}

void summary_print_text(const struct summary *summary)
{
	printf("shipped   ");
	text_print(stdout, summary->source);
	printf(" -> ");
	text_print(stdout, summary->destination);
	printf("\nsize      %s (%" PRIu64 " bytes)\n", quantity_bytes(summary->bytes).text,
	       summary->bytes);
	printf("buffers   %u x %s, borrowed and mapped\n", summary->nr_buffers,
	       quantity_bytes(summary->buffer_bytes).text);
	printf("engine    ");
	print_engine(summary);
	printf("; %s\n", way(summary));
	printf("copied    in %.2f s, %s (fsync included)\n", summary->copy_seconds,
	       quantity_rate(summary->bytes, summary->copy_seconds).text);
	if (summary->verified)
		printf("verified  in %.2f s, %s: read back, and the checksum is the same\n",
		       summary->verify_seconds,
		       quantity_rate(summary->bytes, summary->verify_seconds).text);
	else
		printf("verified  no (--no-verify)\n");
	printf("checksum  %016" PRIx64 " (as xxh64sum prints it)\n", summary->checksum);
}

void summary_print_json(const struct summary *summary)
{
	struct json_object *object = json_object_new_object();
	char checksum[17];

	snprintf(checksum, sizeof(checksum), "%016" PRIx64, summary->checksum);
	json_object_object_add(object, "source", text_json(summary->source));
	json_object_object_add(object, "destination", text_json(summary->destination));
	json_object_object_add(object, "bytes", json_object_new_uint64(summary->bytes));
	json_object_object_add(object, "engine", json_object_new_string(summary->engine));
	json_object_object_add(object, "registered_buffers",
			       json_object_new_boolean(summary->fixed));
	json_object_object_add(object, "buffers", json_object_new_uint64(summary->nr_buffers));
	json_object_object_add(object, "buffer_bytes",
			       json_object_new_uint64(summary->buffer_bytes));
	json_object_object_add(object, "retired", json_object_new_uint64(summary->retired));
	json_object_object_add(object, "direct_read",
			       json_object_new_boolean(summary->direct_read));
	json_object_object_add(object, "direct_write",
			       json_object_new_boolean(summary->direct_write));
	json_object_object_add(object, "mode_kept", json_object_new_boolean(summary->mode_kept));
	json_object_object_add(object, "copy_seconds",
			       json_object_new_double(summary->copy_seconds));
	json_object_object_add(object, "verified", json_object_new_boolean(summary->verified));
	json_object_object_add(object, "verify_seconds",
			       json_object_new_double(summary->verify_seconds));
	json_object_object_add(object, "xxh64", json_object_new_string(checksum));
	output_json(stdout, object, JSON_C_TO_STRING_PRETTY);
}
