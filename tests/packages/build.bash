# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The tarball and the packages are built, by an ordinary user. Sourced by tests/packages/run.
# shellcheck disable=SC2154 # its variables

# as_user COMMAND...: with a home that has nothing
as_user()
{
	local -a become=()
	((EUID)) || become=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	env -u SOURCE_DATE_EPOCH HOME="$work/home" GIT_CONFIG_GLOBAL=/dev/null TMPDIR="$work/tmp" \
		GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
		GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a \
		"${become[@]}" "$@"
}

# clone DIR: a clone of this tree, with what is not committed yet
clone()
{
	mkdir "$1"
	git ls-files -co --exclude-standard | while IFS= read -r file; do
		[[ ! -e $file ]] || printf '%s\0' "$file"
	done | xargs -0 cp --parents -dt "$1"
	own "$1"
	as_user git -C "$1" init -q
	as_user git -C "$1" add -A
	as_user git -C "$1" commit -q --date='2026-01-02T03:04:05Z' -m all
}

own()
{
	((EUID)) || chown -R 65534:65534 "$1"
}

# make_in DIR GOAL...: without git, as far as it is not a clone
make_in()
{
	local directory=$1 path=$PATH
	shift
	[[ -e $directory/.git ]] || path=$work/bin:$PATH
	as_user env PATH="$path" make --no-print-directory -s -C "$directory" "$@"
}

# A git that only says that it was called.
no_git()
{
	mkdir -p "$work/bin"
	printf '#!/bin/sh\necho git was called >&2\nexit 1\n' >"$work/bin/git"
	chmod +x "$work/bin/git"
}

# unchanged DIR: nothing is new or other there, but in build
unchanged()
{
	without_a_word as_user git -C "$1" status --porcelain --ignored -- . ':!build'
}

# contents PACKAGE: one path a line; without PACKAGE, of all
contents()
{
	local file
	for file in "$debs"/${1:-*}_*.deb; do
		dpkg-deb --fsys-tarfile "$file" | tar -t | sed 's|^\./||' | grep -v '/$'
	done
}

# has PACKAGE PATTERN...: files
has()
{
	local package=$1 pattern all status=0
	shift
	all=$(contents "$package")
	for pattern; do
		grep -qxE "$pattern" <<<"$all" || { echo "$package has no $pattern"; status=1; }
	done
	return "$status"
}

# What DKMS builds: all of the module's sources, and nothing of the rest.
only_sources()
{
	local below=usr/src/gophership-$version
	diff <(contents gophership-dkms | sed -n "s|^$below/||p" | sort) \
		<(printf '%s\n' Kbuild Makefile dkms.conf packaging/for-drivers &&
			git ls-files -co --exclude-standard -- 'gophership_*.[ch]' 'pool/*.[ch]' 'device/*.[ch]' 'uapi/*.h' | sort) |
		grep '^[<>]' && return 1
	dpkg-deb --fsys-tarfile "$debs"/gophership-dkms_*.deb | tar -xO "./$below/dkms.conf" | diff - dkms.conf
}

all_man_pages()
{
	local page all status=0
	all=$(contents)
	for page in userspace/man/*; do
		page=usr/share/man/man${page##*.}/${page##*/}.gz
		grep -qxF "$page" <<<"$all" || { echo "no package has $page"; status=1; }
	done
	return "$status"
}

build_needs_are_told()
{
	local package status=0 told
	told=$(sed -n '/^## Debian packages/,/make deb/p' doc/install.md)
	for package in $(sed -n '/^Build-Depends:/,/^[^ B]/p' packaging/debian/control | grep -oE '[a-z0-9-]+-dev|pkg-config'); do
		grep -qw -- "$package" <<<"$told" || { echo "$package is not named"; status=1; }
	done
	return "$status"
}

part_build()
{
	local tree=$work/clone tarball
	clone "$tree"
	check 'make dist' make_in "$tree" dist
	tarball=gophership-$version.tar.xz
	check '... leaves nothing in the tree' unchanged "$tree"
	tar -C "$work" -xf "$tree/build/dist/$tarball" || true
	tree=$work/gophership-$version
	# Others' files beside the packages.
	mkdir -p "$tree/build/deb"
	touch "$tree/build/deb/gophership_buf.c" "$tree/build/deb/gophership_"
	own "$tree"
	check 'make dist without git' make_in "$tree" dist
	check '... makes the same file' cmp "$work/clone/build/dist/$tarball" "$tree/build/dist/$tarball"
	check 'make deb without git' make_in "$tree" deb
	debs=$tree/build/deb
	check '... changes nothing but build' diff -r --exclude=build --exclude=.git --exclude=MANIFEST "$work/clone" "$tree"
	check '... and takes nothing away' test -e "$debs/gophership_buf.c" -a -e "$debs/gophership_"
	check '... and leaves nothing elsewhere' test -z "$(ls -A "$work/home" "$work/tmp" | grep -v :)"
	check '... of the same sources' cmp "$work/clone/build/dist/$tarball" "$debs/gophership_$version.orig.tar.xz"
	check 'lintian has no complaint' lint_packages
	check 'DKMS gets what a build needs' only_sources
	check 'the module has its udev rule, group, line for the boot and manual' has gophership-dkms \
		lib/udev/rules.d/60-gophership.rules usr/lib/sysusers.d/gophership.conf \
		usr/lib/modules-load.d/gophership.conf usr/share/man/man4/gophership.4.gz
	check 'the library has its version' has libgophership0 "usr/lib/[^/]*/libgophership\.so\.$version"
	check 'the headers have all for a program' has libgophership-dev usr/include/gophership.h \
		usr/include/gophership_ports.h usr/include/linux/gophership.h \
		usr/include/linux/gophership_ring.h 'usr/lib/[^/]*/pkgconfig/gophership.pc' 'usr/lib/[^/]*/libgophership.a'
	check 'every manual page is in a package' all_man_pages
	check 'doc/install.md names what a build needs' build_needs_are_told
	tree=$work/clone
	raise_version "$tree" 9.8.7
	check 'the version is that of dkms.conf' make_in "$tree" dist
	check '... alone' test -e "$tree/build/dist/gophership-9.8.7.tar.xz"
	sed -i 's/^ *liburing-dev/ no-such-dev/' "$tree/packaging/debian/control"
	check 'what a build lacks is named' fails_with 'no-such-dev' make_in "$tree" deb
	check '... and what to do' fails_with 'sudo apt-get install' make_in "$tree" deb
}

# There is no place that newer versions could be looked for.
lint_packages()
{
	without_a_word as_user lintian -I --suppress-tags debian-watch-file-is-missing \
		"$debs"/gophership_*.changes
}
