# SPDX-License-Identifier: GPL-2.0
#
# GopherShip buffer pool. "make help" lists what can be made.

KDIR ?= /lib/modules/$(shell uname -r)/build
DESTDIR ?=
PREFIX ?= /usr/local
MODULE_PARAMETERS ?=

# Blanks, or one of these characters, in the path: kbuild cannot build there, and a shell
# would take part of it for a command. So nothing is begun.
comma := ,
characters := : ; ' " ` \ | & < > ( ) { } [ ] * ? ! % $$ $(comma) \#
odd = $(filter-out 1,$(words -$(CURDIR)-))$(foreach c,$(characters),$(findstring $c,$(CURDIR)))
ifneq ($(strip $(odd)),)
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),all)),)
$(error gophership cannot be built in a directory whose path has blanks or special \
	characters: move it from "$(CURDIR)" to a plain one)
endif
endif

# As a shell reads it back.
quoted = '$(subst ','\'',$(1))'
kbuild = $(MAKE) -C $(call quoted,$(KDIR)) M=$(call quoted,$(CURDIR))

.PHONY: all modules user doc modules_install install-user install-driver install load unload \
	demo check check-full lint bench bench-scale clean help need-kdir

all: modules

modules: need-kdir
	$(kbuild) modules

need-kdir:
	@test -e $(call quoted,$(KDIR)/Makefile) || { \
		printf 'There are no kernel headers at %s.\n' $(call quoted,$(KDIR)); \
		echo "Install them (Debian: sudo apt-get install linux-headers-$$(uname -r)),"; \
		echo "name others (make KDIR=/path/to/build), or see it run in a virtual"; \
		echo "machine without any: make demo"; \
		exit 1; } >&2

user:
	tests/vm/deps user
	$(MAKE) -C userspace

modules_install: modules
	$(kbuild) modules_install
	$(if $(DESTDIR)$(INSTALL_MOD_PATH),,depmod -a)

install-user: user
	$(MAKE) -C userspace install DESTDIR=$(call quoted,$(DESTDIR)) PREFIX=$(call quoted,$(PREFIX))

# Man pages of section 9, and reStructuredText, from the headers, by the kernel's own tool.
doc: need-kdir
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_buf.h build/man9
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_port.h build/man9
	doc/rst "$(KDIR)/scripts/kernel-doc" build/doc

# What authors of drivers need: the headers, the symbols' versions of this kernel, the pages.
install-driver: modules doc
	install -d "$(DESTDIR)$(PREFIX)/include/gophership"
	install -m 0644 gophership_buf.h gophership_port.h "$(DESTDIR)$(PREFIX)/include/gophership"
	install -D -m 0644 uapi/linux/gophership.h "$(DESTDIR)$(PREFIX)/include/gophership/uapi/linux/gophership.h"
	install -D -m 0644 Module.symvers "$(DESTDIR)$(PREFIX)/lib/gophership/$$($(MAKE) -s --no-print-directory -C "$(KDIR)" kernelrelease)/Module.symvers"
	install -d "$(DESTDIR)$(PREFIX)/share/man/man9"
	install -m 0644 build/man9/*.9 "$(DESTDIR)$(PREFIX)/share/man/man9"

install: modules_install install-user

load: modules
	insmod gophership.ko $(MODULE_PARAMETERS)
	@echo "Loaded. /dev/gophership is there; see: gophershipctl info"

unload:
	rmmod gophership

demo:
	tests/demo/run

check:
	tests/run

# JOBS=2: two of its own suites at a time
check-full:
	tests/run --full $(if $(JOBS),--jobs $(call quoted,$(JOBS)))

lint:
	tests/lint

# CASES="pair burst64" on the command line is in the environment, too.
bench:
	tests/bench/run

bench-scale:
	CASES=scale tests/bench/run

clean:
	rm -rf build *.o .*.cmd .*.d device/*.o device/.*.cmd device/.*.d *.ko *.mod *.mod.c Module.symvers modules.order

help:
	@echo "To see it work, on any Debian machine, without touching its kernel:"
	@echo "  make demo            a driver and a program use the pool in a virtual machine"
	@echo "  make check           every test, on several kernels"
	@echo ""
	@echo "To use it on this machine (kernel $$(uname -r)):"
	@echo "  make                 the module, gophership.ko (KDIR=... for another kernel)"
	@echo "  make load            insmod it (MODULE_PARAMETERS=\"quota_mb=64 ...\")"
	@echo "  make unload          rmmod it"
	@echo "  make user            gophershipctl and the examples, into build/userspace"
	@echo "  make install         modules_install and install-user"
	@echo "  make modules_install the module, into /lib/modules (INSTALL_MOD_PATH=...)"
	@echo "  make install-user    tool, header, man pages, udev rule (DESTDIR=... PREFIX=...)"
	@echo "  make install-driver  for authors of drivers: headers, Module.symvers, man9"
	@echo "  make doc             man pages and .rst of the public headers, into build/man9, build/doc"
	@echo ""
	@echo "To work on it:"
	@echo "  make check-full      the same, and what takes hours: sanitizers, faults, fuzz, kills"
	@echo "                       (JOBS=2: two suites at a time)"
	@echo "  make lint            checkpatch, sparse, W=1, gcc and clang, kernel-doc, shellcheck"
	@echo "  make bench           the pool against kmem_cache, page_pool ... (CASES=\"pair burst64\")"
	@echo "  make bench-scale     1 to 16 CPUs, to 1000000 buffers, to 1000 pools; four NUMA nodes"
	@echo "  make clean           remove what was built here; kernels stay in the cache"
