# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Trees of another version, and small ones. Sourced by trials of installations.

# raise_version TREE VERSION
raise_version()
{
	sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$2\"/" "$1/dkms.conf"
}

# small_module TREE: a module of the same name, version and files, that is built in a moment
small_module()
{
	{
		printf '%s\n' 'obj-m := gophership.o' 'gophership-y := gophership_main.o'
		sed -n '/^gophership-version/,$p' Kbuild
	} >"$1/Kbuild"
	printf '%s\n' '#include <linux/module.h>' 'MODULE_VERSION(GOPHERSHIP_VERSION);' \
		'MODULE_DESCRIPTION("stands in");' 'MODULE_LICENSE("GPL");' >"$1/gophership_main.c"
}
