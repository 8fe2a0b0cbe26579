// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "flow.h"
#include "follow.h"
#include "interrupt.h"
#include "merge.h"
#include "text.h"

/* Messages that are received at a time. */
#define BULK		32
/* Milliseconds between two looks at the clock. */
#define PERIOD		200

/**
 * struct pursuit - a stream that is followed
 * @flow: the port
 * @printer: where the records go
 * @ledger: what each CPU is to go on with
 * @seconds: end after so long; 0: not for that
 * @ended: why it ended, NULL before: "count", "seconds", "signal" or "gone"
 */
struct pursuit {
	struct flow flow;
	struct printer *printer;
	struct ledger *ledger;
	uint64_t seconds;
	const char *ended;
};

static enum status complain_block(const struct pursuit *pursuit, int error)
{
	complain("what %s delivers is %s", pursuit->flow.endpoint.path,
		 gophership_stream_reason(error));
	if (error == -EINVAL)
		advise("To have it as it is: gophershipctl receive");
	return STATUS_DAMAGED;
}

static enum status print_message(struct pursuit *pursuit, const struct gophership_message *message)
{
	enum status status = STATUS_OK;
	int error;

	if (message->len)
		status = print_block(pursuit->printer, pursuit->ledger, message->data, message->len,
				     &error);
	if (status != STATUS_OK)
		return complain_block(pursuit, error);
	pursuit->flow.bytes += message->len;
	pursuit->flow.messages++;
	return STATUS_OK;
}

/* How many there were; printed, and back with the driver. */
static enum status receive_some(struct pursuit *pursuit, unsigned int *nr)
{
	struct gophership_message messages[BULK];
	enum status status = STATUS_OK;
	unsigned int i;

	*nr = gophership_port_receive(pursuit->flow.port, messages, BULK);
	for (i = 0; i < *nr && status == STATUS_OK; i++) {
		status = print_message(pursuit, &messages[i]);
		if (!pursuit->ended)
			flow_submit_empty(&pursuit->flow, messages[i].data);
	}
	return status;
}

/* A reader of stdout that takes nothing must not keep us: see interrupt_after(). */
static enum status wait_for_more(struct pursuit *pursuit)
{
	fflush(stdout);
	if (gophership_port_wait(pursuit->flow.port, PERIOD) == -EPIPE)
		pursuit->ended = "gone";
	return STATUS_OK;
}

static void look_around(struct pursuit *pursuit)
{
	const struct printer *printer = pursuit->printer;
	double now = progress_clock();

	if (printer->count && printer->printed == printer->count)
		pursuit->ended = "count";
	else if (pursuit->seconds && now - pursuit->flow.progress.start >= pursuit->seconds)
		pursuit->ended = "seconds";
	else if (interrupt_pending())
		pursuit->ended = "signal";
	flow_update(&pursuit->flow);
}

static enum status follow_until_the_end(struct pursuit *pursuit)
{
	enum status status = STATUS_OK;
	unsigned int nr;

	while (!pursuit->ended && status == STATUS_OK && !ferror(stdout)) {
		status = receive_some(pursuit, &nr);
		if (status == STATUS_OK && !nr)
			status = wait_for_more(pursuit);
		look_around(pursuit);
	}
	return status;
}

/* What was delivered before that; no buffer goes back, so there is an end to it. */
static enum status print_the_rest(struct pursuit *pursuit)
{
	enum status status;
	unsigned int nr;

	do {
		status = receive_some(pursuit, &nr);
	} while (nr && status == STATUS_OK && !printer_is_done(pursuit->printer));
	return status;
}

/* On stderr: stdout has the records. */
static void summarize(const struct pursuit *pursuit)
{
	const struct printer *printer = pursuit->printer;
	const char *why = pursuit->ended ? pursuit->ended : "stdout";

	if (pursuit->flow.options->quiet || printer->form != PRINTER_TEXT)
		return;
	fprintf(stderr, "followed  ");
	text_print(stderr, pursuit->flow.endpoint.path);
	fprintf(stderr, " (%s)\n", !strcmp(why, "gone") ? "until the driver was gone" : why);
	fprintf(stderr, "records   %" PRIu64 "; the driver lost %" PRIu64 ", %" PRIu64
		" are missing\n", printer->printed, printer->lost, printer->missing);
	flow_print_text(&pursuit->flow, stderr);
}

static enum status pursue(struct pursuit *pursuit)
{
	struct flow *flow = &pursuit->flow;
	enum status status;

	flow_begin(flow, "following");
	if (pursuit->seconds)
		interrupt_after(pursuit->seconds);
	status = follow_until_the_end(pursuit);
	/* Nor does the last write take longer. */
	if (interrupt_pending())
		interrupt_after(1);
	if (status == STATUS_OK)
		status = print_the_rest(pursuit);
	flow_end(flow);
	if (status == STATUS_OK)
		summarize(pursuit);
	return status;
}

enum status follow(const struct transfer *transfer, struct printer *printer,
		   struct ledger *ledger, uint64_t seconds)
{
	struct pursuit pursuit = {
		.flow.options = transfer,
		.printer = printer,
		.ledger = ledger,
		.seconds = seconds,
	};
	enum status status;

	interrupt_catch();
	/* "| head" ends us as it ends other programs. */
	signal(SIGPIPE, SIG_DFL);
	status = flow_find(&pursuit.flow, transfer->from);
	if (status != STATUS_OK)
		return status;
	status = flow_attach(&pursuit.flow, GOPHERSHIP_PORT_SUBMIT_ALL);
	if (status == STATUS_OK)
		status = pursue(&pursuit);
	flow_close(&pursuit.flow);
	return status;
}
