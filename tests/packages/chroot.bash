# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The packages are installed, upgraded, removed and purged, in a Debian root. Sourced by
# tests/packages/run.
# shellcheck disable=SC2154 # its variables

# lay_root: $root, a Debian 12 that may be changed
lay_root()
{
	local base
	base=$(tests/packages/root)
	root=$work/root
	mkdir "$root" "$work/upper" "$work/overlay"
	mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/overlay" "$root"
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
	kernel=$(cd "$root/lib/modules" && echo *)
}

lift_root()
{
	local mounted
	for mounted in "$root/dev" "$root/proc" "$root"; do
		! mountpoint -q "$mounted" || umount "$mounted" || return
	done
	rm -rf "$root" "$work/upper" "$work/overlay"
}

in_root()
{
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# build_packages DIR [VERSION [small]]: of this tree, into DIR, if they are not there yet
build_packages()
{
	local tree=$work/tree
	[[ ! -e $1 ]] || return 0
	clone "$tree"
	[[ -z ${2:-} ]] || raise_version "$tree" "$2"
	[[ -z ${3:-} ]] || small_module "$tree"
	make_in "$tree" deb >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
	mkdir "$1"
	mv "$tree"/build/deb/*.deb "$1/"
	rm -rf "$tree"
}

# install_packages DIR [NAME]: all, or one
install_packages()
{
	mkdir -p "$root/var/tmp/debs"
	cp "$1"/${2:-*}_*.deb "$root/var/tmp/debs/"
	in_root sh -c 'dpkg -i /var/tmp/debs/*.deb' && rm -rf "$root/var/tmp/debs"
}

# What changes by itself whenever a package or a module is installed is no trace of it.
paths()
{
	(cd "$root" && find . -xdev) | grep -vE '^\./(proc|dev|var/log|var/cache|var/tmp|tmp|var/lib/dkms/mok\.|var/lib/dpkg/(triggers|.*-old|lock)|etc/(ld\.so\.cache|\.pwd\.lock|.*-$)|(usr/)?lib/modules/[^/]*/modules\.)' | sort
}

# installed_in_root MODULE VERSION
installed_in_root()
{
	local module=$root/lib/modules/$kernel/updates/dkms/$1.ko
	[[ $(modinfo -F version "$module") == "$2" ]] || { modinfo "$module"; return 1; }
	in_root dkms status -m "$1" -v "$2" -k "$kernel" | grep ': installed$' &&
		grep -q "^updates/dkms/$1\.ko" "$root/lib/modules/$kernel/modules.dep"
}

# alone_in_root VERSION
alone_in_root()
{
	in_root dkms status
	! in_root dkms status -m gophership | grep -v "^gophership/$1, " &&
		[[ $(cd "$root/usr/src" && echo gophership-*) == "gophership-$1" ]]
}

for_drivers_in_root()
{
	local directory=$root/var/lib/dkms/gophership/kernel-$kernel-$(uname -m)
	test -f "$directory/include/gophership_buf.h" && grep -q gophership_buf_acquire "$directory/Module.symvers"
}

# A driver of another tree: the example that the package has.
add_courier_in_root()
{
	cp -r "$root/usr/share/doc/gophership-dkms/examples/courier" "$root/usr/src/courier-1.0" &&
		in_root dkms add -m courier -v 1.0 && in_root dkms install -m courier -v 1.0 -k "$kernel"
}

# The README's own command.
compiles_hello()
{
	# shellcheck disable=SC2016 # of the root's shell
	in_root sh -c 'cd /tmp && cc /usr/share/doc/libgophership-dev/examples/hello.c $(pkg-config --cflags --libs gophership)' &&
		in_root ldd /tmp/a.out | grep 'libgophership.so.0 => /'
}

# first_release DIR: 0.1.0 as it was, if its history is here
first_release()
{
	local commit
	# The newest commit that changes this line ends it.
	commit=$(git log -1 --format=%H -S'PACKAGE_VERSION="0.1.0"' -- dkms.conf 2>/dev/null)
	mkdir "$1"
	[[ -n $commit ]] && git archive "$commit^" 2>/dev/null | tar -x -C "$1" 2>/dev/null &&
		grep -q '^PACKAGE_VERSION="0.1.0"$' "$1/dkms.conf"
}

# As its README had it: its module by DKMS, its programs by make.
first_in_root()
{
	cp -r "$work/first" "$root/var/tmp/gophership" &&
		in_root dkms add /var/tmp/gophership && in_root dkms install gophership/0.1.0 -k "$kernel" &&
		make --no-print-directory -s -C "$work/first" install-user DESTDIR="$root" &&
		rm -rf "$root/var/tmp/gophership" && test -x "$root/usr/local/bin/gophershipctl"
}

uninstall_first()
{
	make --no-print-directory -s uninstall DESTDIR="$root" &&
		! (cd "$root" && find usr/local usr/lib/udev usr/lib/sysusers.d -name '*gophership*') | grep .
}

# What stands in for it where there is no history.
by_hand_in_root()
{
	local tree=$work/by-hand
	clone "$tree"
	small_module "$tree"
	raise_version "$tree" 0.1.0
	"$tree/packaging/dkms-sources" "$root/usr/src/gophership-0.1.0"
	in_root dkms add -m gophership -v 0.1.0 && in_root dkms install -m gophership -v 0.1.0 -k "$kernel"
}

purge_in_root()
{
	in_root dpkg --purge gophership-dkms gophership-tools libgophership-dev libgophership0
}

part_chroot()
{
	local before
	build_packages "$work/debs"
	build_packages "$work/debs-9.9.9" 9.9.9
	build_packages "$work/debs-small" 9.9.9 small
	lay_root
	before=$(paths)
	check 'the packages are installed' install_packages "$work/debs"
	check '... the module' installed_in_root gophership "$version"
	check '... the group' grep '^gophership:' "$root/etc/group"
	check '... the tool' in_root gophershipctl --version
	check '... its manual' in_root man gophershipctl
	check '... what a program is compiled with' compiles_hello
	check '... what a driver is built with' for_drivers_in_root
	check 'a driver of another tree is built against it by DKMS' add_courier_in_root
	check '... and installed' installed_in_root courier 1.0

	check 'the packages are upgraded' install_packages "$work/debs-9.9.9"
	check '... the module' installed_in_root gophership 9.9.9
	check '... and of the old one nothing is left' alone_in_root 9.9.9
	check '... and the driver is built anew' \
		test "$root/lib/modules/$kernel/updates/dkms/courier.ko" -nt "$root/lib/modules/$kernel/updates/dkms/gophership.ko"
	in_root dkms remove -m courier -v 1.0 --all >/dev/null 2>&1 || true
	rm -rf "$root/usr/src/courier-1.0" "$root/tmp/a.out"
	check 'the packages are removed' in_root dpkg -r gophership-dkms gophership-tools libgophership-dev libgophership0
	check '... with the module' test ! -e "$root/lib/modules/$kernel/updates/dkms/gophership.ko"
	check '... and purged' purge_in_root
	check '... and nothing is left' diff <(echo "$before") <(paths)

	if first_release "$work/first"; then
		check 'the first release, as it was' first_in_root
		check '... its programs go by make uninstall' uninstall_first
	else
		check 'what stands in for the first release, whose history is not here' by_hand_in_root
	fi
	check '... its module is installed' installed_in_root gophership 0.1.0
	check '... and is upgraded by the packages' install_packages "$work/debs-small"
	check '... the module' installed_in_root gophership 9.9.9
	check '... the tool' in_root sh -c 'gophershipctl --version | grep -w 9.9.9'
	lift_root
}
