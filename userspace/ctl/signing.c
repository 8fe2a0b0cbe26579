// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "complain.h"
#include "signing.h"

/* The last bytes of a module that is signed (MODULE_SIG_STRING). */
#define MARKER "~Module signature appended~\n"

/* Has the first line of the file that text in it? */
static bool file_says(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[64] = "";
	bool says;

	if (!file)
		return false;
	says = fgets(line, sizeof(line), file) && strstr(line, text);
	fclose(file);
	return says;
}

/* Secure Boot locks the kernel down; the parameter alone does it as well. */
bool signing_is_required(void)
{
	return file_says("/sys/module/module/parameters/sig_enforce", "Y") ||
	       file_says("/sys/kernel/security/lockdown", "[integrity]") ||
	       file_says("/sys/kernel/security/lockdown", "[confidentiality]");
}

/* "updates/dkms/gophership.ko: what it needs" -> the path, if it is that of our module. */
static bool is_ours(char *line)
{
	char *end = strchr(line, ':'), *name;

	if (!end)
		return false;
	*end = '\0';
	name = strrchr(line, '/');
	name = name ? name + 1 : line;
	return !strncmp(name, "gophership.ko", strlen("gophership.ko"));
}

/* The file that modprobe would load: false if it knows of none. */
static bool find_module(char *path, int size)
{
	struct utsname name;
	size_t room = 0;
	char *line = NULL;
	bool found = false;
	FILE *index;

	if (uname(&name))
		return false;
	snprintf(path, size, "/lib/modules/%.64s/modules.dep", name.release);
	index = fopen(path, "re");
	if (!index)
		return false;
	while (!found && getline(&line, &room, index) > 0)
		found = is_ours(line);
	/* Another one begins at the root. */
	if (found && *line == '/')
		snprintf(path, size, "%s", line);
	else if (found)
		snprintf(path, size, "/lib/modules/%.64s/%s", name.release, line);
	free(line);
	fclose(index);
	return found;
}

static const char *signature_of(const char *path)
{
	char tail[sizeof(MARKER)] = "";
	const char *ending = strrchr(path, '.');
	int fd;

	if (!ending || strcmp(ending, ".ko"))
		return "compressed (modinfo tells its signer)";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "not readable";
	if (lseek(fd, -(off_t)strlen(MARKER), SEEK_END) < 0 ||
	    read(fd, tail, strlen(MARKER)) != (ssize_t)strlen(MARKER))
		tail[0] = '\0';
	close(fd);
	return strcmp(tail, MARKER) ? "NOT SIGNED" : "signed";
}

struct signing signing_find(void)
{
	struct signing signing;
	char path[PATH_MAX];

	if (!signing_is_required())
		snprintf(signing.text, sizeof(signing.text), "not required");
	else if (!find_module(path, sizeof(path)))
		snprintf(signing.text, sizeof(signing.text),
			 "required; no gophership.ko is installed for this kernel");
	else
		snprintf(signing.text, sizeof(signing.text), "required; %.400s is %s", path,
			 signature_of(path));
	return signing;
}

void signing_advise(void)
{
	advise("This kernel takes only modules that a key it knows has signed. DKMS signs with a");
	advise("key of its own, which the firmware has to learn once, and asks for at the next");
	advise("boot: sudo mokutil --import /var/lib/dkms/mok.pub; then: sudo reboot");
	advise("A module that was built by hand is signed as doc/install.md says (Secure Boot).");
}
