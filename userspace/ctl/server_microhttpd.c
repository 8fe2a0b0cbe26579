// SPDX-License-Identifier: GPL-2.0
/*
 * The page, by libmicrohttpd: one thread of its own serves one reader after the other, so that
 * the device is opened once at a time. Few connections, none of which may be idle for long.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "interrupt.h"
#include "loopback.h"
#include "server.h"

#define MOST_CONNECTIONS	16
#define MOST_IDLE_SECONDS	10
/* Of a request and what is kept of it. */
#define MOST_REQUEST		(16 * 1024)
#define A_DAY			86400

#define TYPE_OPEN	"application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_TEXT	"text/plain; version=0.0.4; charset=utf-8"
#define TYPE_PLAIN	"text/plain; charset=utf-8"

/**
 * struct server - what the thread has
 * @page: what is served
 * @failed: the last page could not be made, and stderr was told; the thread's alone
 */
struct server {
	const struct page *page;
	bool failed;
};

/**
 * struct answer - one to a reader
 * @status: of HTTP
 * @type: of the body
 * @body: from the heap
 * @length: of it
 */
struct answer {
	unsigned int status;
	const char *type;
	char *body;
	size_t length;
};

/* OpenMetrics, but for readers that name the older format and not this one. */
static bool wants_open(struct MHD_Connection *connection)
{
	const char *accepted = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							   MHD_HTTP_HEADER_ACCEPT);

	return !accepted || strstr(accepted, "application/openmetrics-text") ||
	       !strstr(accepted, "text/plain");
}

/* stderr is told of the first failure of a row: readers come again and again. */
static void tell(struct server *server, bool failed, const char *why)
{
	if (failed && !server->failed) {
		fputs(why, stderr);
		note("readers get error 503 until that has changed");
	} else if (!failed && server->failed) {
		note("readers get all counters again");
	}
	server->failed = failed;
}

/* The page, or what was complained of when it was made. */
static void make(struct server *server, bool open, struct answer *answer)
{
	const struct page *page = server->page;
	FILE *body, *complaints;
	enum status status;
	char *why = NULL;
	size_t length;

	body = open_memstream(&answer->body, &answer->length);
	complaints = open_memstream(&why, &length);
	if (!body || !complaints)
		complain_no_memory();
	complain_to(complaints);
	status = page->make(body, open, page->priv);
	complain_to(NULL);
	if (fclose(body) || fclose(complaints))
		complain_no_memory();
	tell(server, status != STATUS_OK, why);
	answer->status = MHD_HTTP_OK;
	answer->type = open ? TYPE_OPEN : TYPE_TEXT;
	if (status == STATUS_OK) {
		free(why);
		return;
	}
	free(answer->body);
	*answer = (struct answer){ MHD_HTTP_SERVICE_UNAVAILABLE, TYPE_PLAIN, why, length };
}

static void say(struct answer *answer, unsigned int status, const char *text)
{
	*answer = (struct answer){ status, TYPE_PLAIN, strdup(text), strlen(text) };
	if (!answer->body)
		complain_no_memory();
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct answer *answer)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(answer->length, answer->body,
						   MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(answer->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result serve(void *priv, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *length, void **seen)
{
	struct answer answer;

	(void)version;
	(void)data;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD)) {
		say(&answer, MHD_HTTP_METHOD_NOT_ALLOWED, "There is nothing but GET and HEAD.\n");
		return send_answer(connection, &answer);
	}
	/* The first call is for the head alone. */
	if (!*seen) {
		*seen = priv;
		return MHD_YES;
	}
	/* What comes with a request is not read, and the answer waits for its end. */
	if (*length) {
		*length = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/metrics"))
		say(&answer, MHD_HTTP_NOT_FOUND, "The counters are at /metrics.\n");
	else
		make(priv, wants_open(connection), &answer);
	return send_answer(connection, &answer);
}

/* A socket that listens, or -1 with a complaint. */
static int listen_at(const union loopback *address)
{
	union loopback bound = *address;
	socklen_t length = bound.any.sa_family == AF_INET ? sizeof(bound.four) : sizeof(bound.six);
	char text[LOOPBACK_TEXT];
	int fd, on = 1;

	loopback_text(&bound, text);
	fd = socket(bound.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, &bound.any, length) || listen(fd, MOST_CONNECTIONS) ||
	    getsockname(fd, &bound.any, &length)) {
		complain("cannot listen at %s: %s", text, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	loopback_text(&bound, text);
	note("the counters are at http://%s/metrics", text);
	return fd;
}

/* ITC: it is to end at once, also where there are as many connections as there can be. */
static struct MHD_Daemon *start(int fd, struct server *server)
{
	return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, serve,
				server,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)MOST_CONNECTIONS,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)MOST_IDLE_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MOST_REQUEST,
				MHD_OPTION_END);
}

enum status server_run(const union loopback *address, const struct page *page)
{
	struct server server = { .page = page };
	struct MHD_Daemon *daemon;
	int fd;

	interrupt_catch();
	fd = listen_at(address);
	if (fd < 0)
		return STATUS_FAILED;
	/* The thread begins with these blocked: they are for this one. */
	interrupt_block();
	daemon = start(fd, &server);
	interrupt_unblock();
	if (!daemon) {
		complain("libmicrohttpd cannot start: %s", strerror(errno));
		close(fd);
		return STATUS_FAILED;
	}
	while (!interrupt_pending())
		interrupt_sleep(A_DAY);
	MHD_stop_daemon(daemon);
	return STATUS_OK;
}
