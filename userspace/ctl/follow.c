// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "flow.h"
#include "follow.h"
#include "interrupt.h"
#include "merge.h"
#include "output.h"
#include "text.h"

/**
 * struct pursuit - a stream that is followed
 * @flow: the port
 * @printer: where the records go
 * @ledger: what each CPU is to go on with
 * @seconds: end after so long; 0: not for that
 */
struct pursuit {
	struct flow flow;
	struct printer *printer;
	struct ledger *ledger;
	uint64_t seconds;
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
	struct gophership_message messages[FLOW_BULK];
	enum status status = STATUS_OK;
	unsigned int i;

	*nr = gophership_port_receive(pursuit->flow.port, messages, FLOW_BULK);
	for (i = 0; i < *nr && status == STATUS_OK; i++) {
		status = print_message(pursuit, &messages[i]);
		if (!pursuit->flow.ended)
			flow_submit_empty(&pursuit->flow, messages[i].data);
	}
	return status;
}

static enum status follow_until_the_end(struct pursuit *pursuit)
{
	const struct printer *printer = pursuit->printer;
	enum status status = STATUS_OK;
	unsigned int nr;

	while (!pursuit->flow.ended && status == STATUS_OK && !output_failed()) {
		status = receive_some(pursuit, &nr);
		if (status == STATUS_OK && !nr) {
			/* Where nobody reads, interrupt_after() ends that. */
			output_flush();
			flow_wait(&pursuit->flow);
		}
		flow_look_around(&pursuit->flow,
				 printer->count && printer->printed == printer->count,
				 pursuit->seconds);
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

	if (pursuit->flow.options->quiet || printer->form != PRINTER_TEXT)
		return;
	fprintf(stderr, "followed  ");
	text_print(stderr, pursuit->flow.endpoint.path);
	fprintf(stderr, " (%s)\n", flow_ending(&pursuit->flow));
	fprintf(stderr, "records   %" PRIu64 "; the driver lost %" PRIu64 ", %" PRIu64
		" are missing\n", printer->printed, printer->lost, printer->missing);
	flow_print_text(&pursuit->flow, stderr);
}

static enum status pursue(struct pursuit *pursuit)
{
	struct flow *flow = &pursuit->flow;
	enum status status;

	flow_begin(flow, "following", true);
	if (pursuit->seconds)
		interrupt_after(pursuit->seconds);
	status = follow_until_the_end(pursuit);
	/* Nor does the last write take longer. */
	if (interrupt_pending())
		interrupt_after(1);
	if (status == STATUS_OK)
		status = print_the_rest(pursuit);
	flow_end(flow);
	/* Else stdout failed, of which main() tells. */
	if (status == STATUS_OK && flow->ended)
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
	interrupt_leave_pipe();
	status = flow_find(&pursuit.flow, transfer->from);
	if (status != STATUS_OK)
		return status;
	status = flow_attach(&pursuit.flow, GOPHERSHIP_PORT_SUBMIT_ALL);
	if (status == STATUS_OK)
		status = pursue(&pursuit);
	flow_close(&pursuit.flow);
	return status;
}
