# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The module under DKMS, and a driver of another tree beside it. Sourced by tests/install/run.
# shellcheck disable=SC2154 # its variables

# installed MODULE VERSION RELEASE
installed()
{
	local module=/lib/modules/$3/updates/dkms/$1.ko
	modinfo -F version "$module" | grep -qx "$2" || { modinfo "$module"; return 1; }
	dkms status -m "$1" -v "$2" -k "$3" | grep ': installed$'
	grep -q "^updates/dkms/$1\.ko" "/lib/modules/$3/modules.dep"
}

# alone MODULE VERSION: DKMS knows of no other version
alone()
{
	dkms status -m "$1"
	! dkms status -m "$1" | grep -v "^$1/$2, " && [[ $(echo /usr/src/"$1"-*) == "/usr/src/$1-$2" ]]
}

# only_sources DIR: what a build needs
only_sources()
{
	! find "$1" ! -type d | grep -vE '/(Kbuild|Makefile|dkms\.conf|COPYING|packaging/for-drivers|[^/]*\.[ch])$'
}

add_courier()
{
	cp -r tests/install/courier /usr/src/courier-1.0
	dkms add -m courier -v 1.0 && dkms install -m courier -v 1.0 -k "$release"
}

# loads KERNEL: what is installed for it, in a guest
loads()
{
	local directory
	directory=/lib/modules/$(fact "$1" release)/updates/dkms
	tests/vm/run --kernel "$1" --no-module --timeout 300 --with "$directory/gophership.ko" \
		--with "$directory/courier.ko" \
		-- sh -c 'insmod /t/gophership.ko && insmod /t/courier.ko && dmesg | grep "courier: a buffer"'
}

# The module itself, a driver that uses it, a new kernel, a new version.
part_dkms()
{
	local newer before
	before=$(written)
	newer=$(fact debian-6.12 release)
	check 'make dkms' in_tree dkms KERNELS="$release"
	check '... installs the module' installed gophership "$version" "$release"
	check '... to be loaded at boot' test -f /usr/lib/modules-load.d/gophership.conf
	check '... and takes no more than a build needs' only_sources "/usr/src/gophership-$version"
	check 'headers and symbols are where a driver finds them' \
		has_for_drivers "/var/lib/dkms/gophership/kernel-$release-$(uname -m)"
	check 'a driver of another tree is built against it by DKMS' add_courier
	check '... and installed' installed courier 1.0 "$release"
	check '... and loads' loads debian-6.1

	add_kernel debian-6.12
	check 'a kernel upgrade builds both' dkms autoinstall -k "$newer"
	check '... the module' installed gophership "$version" "$newer"
	check '... and the driver' installed courier 1.0 "$newer"
	check '... which loads' loads debian-6.12

	raise_version "$tree" 9.9.9
	check 'make dkms upgrades' in_tree dkms KERNELS="$release"
	check '... for this kernel' installed gophership 9.9.9 "$release"
	check '... and for the other' installed gophership 9.9.9 "$newer"
	check '... and removes the old version' alone gophership 9.9.9
	check '... and builds the driver anew' \
		test "/lib/modules/$release/updates/dkms/courier.ko" -nt "/lib/modules/$release/updates/dkms/gophership.ko"
	check '... which loads' loads debian-6.1

	check 'a driver goes' dkms remove -m courier -v 1.0 --all
	check 'make dkms-remove' in_tree dkms-remove
	rm -rf /usr/src/courier-1.0 "/lib/modules/$newer"
	check '... leaves nothing' diff <(echo "$before") <(written)
	raise_version "$tree" "$version"
}

# Which version replaces which.
part_replace()
{
	local before
	before=$(written)
	small_module "$tree"
	check 'a small module under DKMS' in_tree dkms KERNELS="$release"
	check 'make dkms again is no error' in_tree dkms KERNELS="$release"
	check '... and leaves the version alone' alone gophership "$version"
	check '... installed' installed gophership "$version" "$release"

	raise_version "$tree" 10.0.0
	check 'dkms add of a tree, and dkms install' add_by_hand
	check '... replace the version before' installed gophership 10.0.0 "$release"
	raise_version "$tree" "$version"
	check 'make dkms goes back' in_tree dkms KERNELS="$release"
	check '... to the older version' installed gophership "$version" "$release"
	check '... alone' alone gophership "$version"

	echo '#error broken' >>"$tree/gophership_main.c"
	raise_version "$tree" 11.0.0
	check 'what cannot be built is an error' not in_tree dkms KERNELS="$release"
	check '... and leaves what is there' installed gophership "$version" "$release"
	check '... alone' alone gophership "$version"
	check 'make dkms-remove' in_tree dkms-remove
	check '... leaves nothing' diff <(echo "$before") <(written)
}

# The way of everybody who knows DKMS.
add_by_hand()
{
	rm -rf "$work/by-hand"
	cp -r "/usr/src/gophership-$version" "$work/by-hand" && cp "$tree/dkms.conf" "$work/by-hand/" &&
		dkms add "$work/by-hand" && dkms install -m gophership -v 10.0.0 -k "$release"
}
