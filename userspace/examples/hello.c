// SPDX-License-Identifier: GPL-2.0
/* A program that borrows a buffer: cc hello.c $(pkg-config --cflags --libs gophership) */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <gophership.h>

int main(void)
{
	struct gophership *gs;
	int error = gophership_open(&gs, NULL);
	char *text;

	if (error)
		errx(1, "cannot open /dev/gophership: %s", strerror(-error));
	text = gophership_acquire(gs, 4096);
	if (!text)
		err(1, "cannot borrow a buffer");
	snprintf(text, 4096, "Hello from a borrowed buffer of %zu bytes!",
		 gophership_capacity(gs, text));
	puts(text);
	if (gophership_release(gs, text))
		errx(1, "cannot give it back");
	gophership_close(gs);
	return 0;
}
