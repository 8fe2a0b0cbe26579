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
# A relative DESTDIR is below this directory, whatever make or script is called.
absolute = $(if $(1),$(if $(filter /%,$(firstword $(1))),,$(CURDIR)/)$(1))
root := $(call absolute,$(DESTDIR))
module_root := $(or $(call absolute,$(INSTALL_MOD_PATH)),$(root))
# Where systemd looks, and nowhere else.
MODULESLOADDIR ?= /usr/lib/modules-load.d
kbuild = $(MAKE) -C $(call quoted,$(KDIR)) M=$(call quoted,$(CURDIR))

.PHONY: all modules user doc in-tree modules_install install-user install-driver install load unload \
	modules_uninstall uninstall-user uninstall-driver uninstall dkms dkms-remove \
	dist deb rpm demo check check-full lint bench bench-scale clean help need-kdir

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
	$(MAKE) -C userspace

# To install is to copy: what is built by root can be removed only by root.
modules_install: need-kdir
	packaging/kernel-module install $(call quoted,$(KDIR)) $(call quoted,$(module_root))
	install -D -m 0644 packaging/modules-load.conf \
		$(call quoted,$(module_root)$(MODULESLOADDIR)/gophership.conf)
	install -D -m 0644 packaging/modprobe.conf \
		$(call quoted,$(module_root)$(PREFIX)/share/doc/gophership/modprobe.conf)

modules_uninstall:
	packaging/kernel-module uninstall $(call quoted,$(module_root))
	rm -f $(call quoted,$(module_root)$(MODULESLOADDIR)/gophership.conf)
	rm -rf $(call quoted,$(module_root)$(PREFIX)/share/doc/gophership)

install-user uninstall-user:
	$(MAKE) -C userspace $(@:-user=) DESTDIR=$(call quoted,$(root)) PREFIX=$(call quoted,$(PREFIX))

# With every kernel that DKMS builds for, or KERNELS="..."; also to upgrade.
dkms:
	packaging/dkms install $(KERNELS)

dkms-remove:
	packaging/dkms remove

# The sources as one file, and packages of it; both are built in a copy, as an ordinary user.
dist:
	packaging/dist

deb:
	packaging/deb

rpm:
	packaging/rpm/build

# Man pages of section 9, and reStructuredText, from the headers, by the kernel's own tool.
doc: need-kdir
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_buf.h build/man9
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_pool.h build/man9
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_dma.h build/man9
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_port.h build/man9
	doc/man9 "$(KDIR)/scripts/kernel-doc" gophership_stream.h build/man9
	doc/rst "$(KDIR)/scripts/kernel-doc" build/doc

# Into the sources of a kernel, to be built and tested with it: LINUX=/path/to/linux
in-tree:
	packaging/in-tree $(call quoted,$(LINUX))

# What authors of drivers need: headers, the symbols' versions of this kernel, the pages.
driver_root = $(call quoted,$(root)$(PREFIX))
install-driver: need-kdir
	@test -e build/man9/gophership_buf_acquire.9 || { \
		echo "The man pages are not there; run first, as an ordinary user: make doc" >&2; exit 1; }
	packaging/for-drivers $(driver_root)/lib/gophership/"$$(packaging/kernel-release $(call quoted,$(KDIR)))"
	install -d $(driver_root)/share/man/man9
	install -m 0644 build/man9/gophership_*.9 $(driver_root)/share/man/man9

uninstall-driver:
	rm -rf $(driver_root)/lib/gophership/[0-9]*
	-[ ! -d $(driver_root)/lib/gophership ] || rmdir --ignore-fail-on-non-empty $(driver_root)/lib/gophership
	rm -f $(driver_root)/share/man/man9/gophership_*.9

install: modules_install install-user

uninstall: modules_uninstall uninstall-user uninstall-driver

load:
	@test -e gophership.ko || { \
		echo "There is no gophership.ko; run first, as an ordinary user: make" >&2; exit 1; }
	insmod gophership.ko $(MODULE_PARAMETERS)
	@echo "Loaded. /dev/gophership is there; see: gophershipctl info"

unload:
	rmmod gophership

demo:
	tests/demo/run

# SUITES="kunit user": these alone
check:
	tests/run $(SUITES)

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
	rm -rf build *.ko *.mod *.mod.c Module.symvers modules.order
	rm -f $(foreach folder,. pool device,$(addprefix $(folder)/,*.o .*.o *.s .*.cmd .*.d))
	rm -f pool/layout_name.inc pool/layout_name.h

help:
	@echo "To see it work, on any Debian machine, without touching its kernel:"
	@echo "  make demo            a driver and a program use the pool in a virtual machine"
	@echo "  make check           every test, on several kernels (SUITES=\"kunit user\": some)"
	@echo ""
	@echo "To use it on this machine (kernel $$(uname -r)):"
	@echo "  make                 the module, gophership.ko (KDIR=... for another kernel)"
	@echo "  make load            insmod it (MODULE_PARAMETERS=\"quota_mb=64 ...\")"
	@echo "  make unload          rmmod it"
	@echo "  make user            gophershipctl and the examples, into build/userspace"
	@echo "  make install         modules_install and install-user; they copy what was built:"
	@echo "  make modules_install the module, into /lib/modules, loaded at boot (DESTDIR=...)"
	@echo "  make install-user    tool, header, man pages, completion, udev rule (DESTDIR=... PREFIX=...)"
	@echo "  make install-driver  for authors of drivers: headers, Module.symvers, man9"
	@echo "  make uninstall       all of these away again"
	@echo "  make dkms            the module under DKMS, or an upgrade of it (KERNELS=...)"
	@echo "  make dkms-remove     away from DKMS"
	@echo "  make deb             Debian packages, into build/deb; they are installed by apt"
	@echo "  make rpm             RPM packages, into build/rpm, for Fedora-like systems"
	@echo "  make dist            the sources as one file, into build/dist, to be built without git"
	@echo "  make doc             man pages and .rst of the public headers, into build/man9, build/doc"
	@echo "  make in-tree         the module into a kernel's source tree (LINUX=/path/to/linux)"
	@echo ""
	@echo "To work on it:"
	@echo "  make check-full      the same, and what takes hours: sanitizers, faults, fuzz, kills"
	@echo "                       (JOBS=2: two suites at a time)"
	@echo "  make lint            checkpatch, sparse, W=1, gcc and clang, kernel-doc, shellcheck"
	@echo "  make bench           the pool against kmem_cache, page_pool ... (CASES=\"pair burst64\")"
	@echo "  make bench-scale     1 to 16 CPUs, to 1000000 buffers, to 1000 pools; four NUMA nodes"
	@echo "  make clean           remove what was built here; kernels stay in the cache"
