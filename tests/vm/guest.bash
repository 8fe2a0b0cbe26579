# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The guest's root file system: a busybox that is made once and kept, and in
# front of it whatever this run needs.  Both are uncompressed cpio archives,
# which the kernel unpacks one after the other.  Sourced by tests/vm/run, whose
# variables it uses.
# shellcheck disable=SC2154

# busybox_for ARCH: print the program
busybox_for()
{
	case $1 in
	arm64 | i386) echo "$("$vm_dir/packages" unpack "bookworm:$1" busybox-static)/bin/busybox" ;;
	*) echo /bin/busybox ;;
	esac
}

# guest_base ARCH: print the archive with busybox and the directories.
guest_base()
{
	local busybox hash archive root applet
	busybox=$(busybox_for "$1")
	hash=$(cat "$busybox" "$vm_dir/guest.bash" | sha256sum | cut -c 1-12)
	archive=$cache/guest/base-$hash.cpio
	if [[ ! -e $archive ]]; then
		root=$(mktemp -d)
		mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,bench/modules,dev,etc,mnt,proc,root,run,sys,t,tmp,var/log,lib}
		chmod 1777 "$root/tmp"
		cp "$busybox" "$root/bin/busybox"
		while read -r applet; do
			mkdir -p "$root/${applet%/*}"
			[[ -e $root/$applet ]] || ln -s /bin/busybox "$root/$applet"
		# Only this machine's own can be asked; another one is of the same make.
		done < <(/bin/busybox --list-full)
		printf '%s\n' 'root::0:0:root:/root:/bin/sh' 'nobody::65534:65534:nobody:/tmp:/bin/sh' >"$root/etc/passwd"
		printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
		echo '127.0.0.1 localhost' >"$root/etc/hosts"
		mkdir -p "$cache/guest"
		pack "$root" "$archive.$$"
		mv "$archive.$$" "$archive"
		rm -rf "$root"
	fi
	echo "$archive"
}

# pack ROOT ARCHIVE
pack()
{
	(cd "$1" && find . -mindepth 1 -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet) >"$2"
}

# busybox's shell, its env, xargs and find run an applet before they look at PATH: a
# program of that name would never run, and the applet would be tested instead.
refuse_name_of_applet()
{
	local name=${1##*/}
	[[ -f $1 && -x $1 ]] || return 0
	! /bin/busybox --list | grep -qxF -- "$name" ||
		die 2 "--with $1: the guest's shell would run busybox's $name instead; give the program another name"
}

# guest_put FILE_OR_DIRECTORY ROOT: into /t, with what a program is linked with.
guest_put()
{
	local source=$1 root=$2 file
	[[ -e $source ]] || die 2 "--with $source: there is no such file"
	refuse_name_of_applet "$source"
	cp -RL --preserve=mode,timestamps -- "$source" "$root/t/"
	find "$root/t/$(basename -- "$source")" -type f | while IFS= read -r file; do
		guest_put_libraries "$file" "$root"
	done
}

guest_put_libraries()
{
	local library
	[[ $(head -c 4 -- "$1" | tr -d '\0') == $'\x7fELF' && $1 != *.ko ]] || return 0
	# "not a dynamic executable" is an answer too.
	{ ldd -- "$1" 2>/dev/null || true; } | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
		while IFS= read -r library; do
			# One that was put into /t itself is found by its rpath or by the test.
			[[ $library == /* && ! -e $2$library ]] || continue
			mkdir -p "$2$(dirname "$library")"
			cp -L "$library" "$2$library"
		done
}

# guest_put_kernel_module NAME ROOT: one of the kernel's own, after what it
# depends on, decompressed.  Nothing for what is built in.
guest_put_kernel_module()
{
	local name=$1 root=$2 verb file place
	[[ -n $kernel_modules ]] || return 0
	modprobe -d "$kernel_modules" -S "$kernel_release" --show-depends "$name" 2>/dev/null |
		while read -r verb file _; do
			[[ $verb == insmod ]] || continue
			place=$(basename "${file%.xz}")
			! compgen -G "$root/bench/modules/*-$place" >/dev/null || continue
			place=$root/bench/modules/$(printf '%03d' "$(find "$root/bench/modules" -type f | wc -l)")-$place
			case $file in
			*.xz) xz -dc "$file" >"$place" ;;
			*) cp "$file" "$place" ;;
			esac
		done || die 2 "$kernel_name has no module $name"
}

# quoted ARGUMENT...: as a POSIX shell reads them back, byte for byte.
quoted()
{
	local argument quote="'\\''"
	for argument in "$@"; do
		printf " '%s'" "${argument//\'/$quote}"
	done
	echo
}
