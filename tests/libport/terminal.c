// SPDX-License-Identifier: GPL-2.0
/*
 * terminal COMMAND [ARGUMENT]...: runs it on a terminal of its own. What it prints there
 * goes to stdout as it is; ends as the command does.
 */
#include <err.h>
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Until the last user of the terminal is gone, which is an error of read(). */
static void copy_all(int terminal)
{
	char bytes[4096];
	ssize_t nr;

	while ((nr = read(terminal, bytes, sizeof(bytes))) > 0)
		if (fwrite(bytes, 1, nr, stdout) != (size_t)nr)
			err(126, "stdout");
	if (fflush(stdout))
		err(126, "stdout");
}

int main(int argc, char **argv)
{
	struct termios mode = { 0 };
	int terminal, status;
	pid_t child;

	if (argc < 2)
		errx(126, "usage: %s COMMAND [ARGUMENT]...", argv[0]);
	cfmakeraw(&mode);
	child = forkpty(&terminal, NULL, &mode, NULL);
	if (child < 0)
		err(126, "forkpty");
	if (!child) {
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	copy_all(terminal);
	if (waitpid(child, &status, 0) != child)
		err(126, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
