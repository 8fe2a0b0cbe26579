# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The checks of tests/lint that are of the library and the tool: each compiler, what
# programs include, what is installed. Sourced by it, in the repository's directory.

check_userspace_gcc()
{
	make --no-print-directory -s -C userspace O=../build/lint/gcc CC=gcc WERROR=1
}

check_userspace_clang()
{
	make --no-print-directory -s -C userspace O=../build/lint/clang CC=clang WERROR=1
}

# As distributions build it, optimised at link time: the tool has functions of the same
# names as the library's.
check_userspace_lto()
{
	make --no-print-directory -s -C userspace O=../build/lint/lto CFLAGS='-O2 -g -flto' WERROR=1 &&
		make --no-print-directory -s -C userspace O=../build/lint/lto-static STATIC=1 \
			CFLAGS='-O2 -g -flto' WERROR=1
}

# The library for another machine: with the compiler's own ar and objcopy.
check_userspace_cross()
{
	tests/vm/deps arm64
	make --no-print-directory -s -C userspace library O=../build/lint/arm64 \
		CC=aarch64-linux-gnu-gcc WERROR=1
}

# With another C library: the library builds, a program runs, and the tool asks for argp.
check_userspace_musl()
{
	local O=../build/lint/musl
	local -a arguments=(-C userspace "O=$O" CC=musl-gcc WERROR=1
		CPPFLAGS="-idirafter /usr/include -idirafter /usr/include/$(gcc -print-multiarch)")
	make --no-print-directory -s "${arguments[@]}" library "$O/hello" LDFLAGS=-static &&
		{ build/lint/musl/hello 2>&1 || true; } | grep 'hello: cannot open /dev/gophership' || return
	make -n "${arguments[@]}" "$O/gophershipctl" | grep -- ' -largp$' &&
		! make -n -C userspace O="$O" CC=gcc "$O/gophershipctl" | grep -- ' -largp$'
}

# header_in LANGUAGE HEADER OPTION...: it alone
header_in()
{
	local language=$1 header=$2
	local -A compilers=([c]=gcc [c++]=g++)
	shift 2
	echo "#include <$header>" | "${compilers[$language]}" -x "$language" "$@" -Wall -Wextra -Werror \
		-Iuapi -Iuserspace/lib/include -fsyntax-only -
}

# In C++, too, its functions are those of the library.
linkage()
{
	echo '#include <gophership.h>
		void *function = reinterpret_cast<void *>(gophership_acquire);' |
		g++ -x c++ -Iuapi -Iuserspace/lib/include -S -o - - | grep -qw gophership_acquire || {
		echo 'gophership.h: C++ calls functions of other names'
		return 1
	}
}

# Three functions of the library have the names of structures of the device: a C++
# program has the use of both, whatever comes first.
both_in_cxx()
{
	local compiler headers
	for compiler in g++ clang++; do
		for headers in 'linux/gophership.h gophership.h' 'gophership.h linux/gophership.h'; do
			# shellcheck disable=SC2086 # two words
			{
				printf '#include <%s>\n' $headers
				cat <<-'END'
				int main()
				{
					struct gophership_stats machine = {};
					gophership_lib_stats mine = {};
					struct gophership_acquire acquire = {};
					struct gophership_release release = {};
					int (*stats)(struct gophership *, gophership_lib_stats *) = gophership_stats;
					void *(*get)(struct gophership *, size_t) = gophership_acquire;
					int (*put)(struct gophership *, void *) = gophership_release;

					return machine.size + mine.size + acquire.size + release.size + !stats + !get + !put;
				}
				END
			} | "$compiler" -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Wshadow -Werror -Iuapi \
				-Iuserspace/lib/include -fsyntax-only - || return
		done
	done
}

# What programs include, in both languages.
check_headers()
{
	header_in c linux/gophership.h -std=c99 -Wpedantic &&
		header_in c linux/gophership_stream.h -std=c99 -Wpedantic &&
		header_in c gophership_ports.h -std=c99 -Wpedantic &&
		header_in c++ gophership_ports.h -std=c++11 -Wpedantic &&
		header_in c linux/gophership_ring.h -std=c99 -Wpedantic &&
		header_in c gophership_records.h -std=c99 -Wpedantic &&
		header_in c++ gophership_records.h -std=c++11 -Wpedantic -Wshadow &&
		header_in c++ linux/gophership.h &&
		header_in c gophership.h -std=c99 -Wpedantic &&
		header_in c++ gophership.h -std=c++11 -Wpedantic &&
		linkage && both_in_cxx
}

# Built as users do, with what "make install-user" brings, and linked both ways.
links_as_installed()
{
	local root=$1 language=$2 standard=$3 flags
	export PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
	flags=$(pkg-config --cflags --libs gophership)
	# shellcheck disable=SC2086 # several words
	"$language" $standard -Wall -Werror -o "$root/shared" "$root/program.$language" $flags &&
		LD_LIBRARY_PATH=$root/usr/lib "$root/shared" || return
	flags=$(pkg-config --static --cflags --libs gophership)
	# shellcheck disable=SC2086
	"$language" $standard -static -Wall -Werror -o "$root/static" "$root/program.$language" $flags &&
		"$root/static"
}

# The names that the header has, the library shows, the map lists, and man knows.
names_agree()
{
	local root=$1 library=$1/usr/lib/libgophership.so.0 name
	sed -n 's/.*[ *]\(gophership_[a-z_]*\)(\(const \)\{0,1\}struct.*/\1/p' \
		"$root"/usr/include/gophership{,_ports}.h | sort >"$root/declared"
	nm -D --defined-only "$library" |
		sed -n 's/.* T \(gophership_.*\)@@GOPHERSHIP_0\.[12]$/\1/p' | sort >"$root/shown"
	diff "$root/declared" "$root/shown" || return
	nm -D --defined-only "$library" | grep -vE ' T gophership_| A GOPHERSHIP_0\.[12]$' && return 1
	nm -g --defined-only "$root/usr/lib/libgophership.a" | grep ' [A-Z] ' |
		grep -v ' T gophership_' && return 1
	readelf -d "$library" | grep -q 'SONAME.*\[libgophership\.so\.0\]' || return
	readelf -d "$library" | grep -q 'FLAGS_1.*NODELETE' || return
	name=$(sed -n 's/^Version: //p' "$root/usr/lib/pkgconfig/gophership.pc")
	[[ $(readlink "$library") == "libgophership.so.$name" ]] || return
	while IFS= read -r name; do
		[[ -e $root/usr/share/man/man3/$name.3 ]] || { echo "$name has no man page" && return 1; }
	done <"$root/declared"
}

# A hit waits for no other thread: its code has no locked instruction and no fence.
hits_are_free()
{
	local name code
	[[ $(uname -m) == x86_64 ]] || return 0
	for name in gophership_{acquire,release}{,_bulk}; do
		code=$(objdump -d --no-show-raw-insn --disassemble="$name" "$1/usr/lib/libgophership.so.0")
		grep -q ret <<<"$code" || { echo "no code of $name" && return 1; }
		! grep -E '\block\b|\bxchg\b.*\(|fence' <<<"$code" || return
	done
}

check_package()
{
	local root
	root=$(mktemp -d)
	# shellcheck disable=SC2064 # now
	trap "rm -rf '$root'" RETURN
	make --no-print-directory -s -C userspace O=../build/lint/package >/dev/null &&
		make --no-print-directory -s -C userspace install O=../build/lint/package \
			DESTDIR="$root" PREFIX=/usr >/dev/null || return
	# No device is here: it says so, and ends well.
	sed -e 's/errx(1, "cannot open/errx(0, "cannot open/' -e 's/gophership_acquire(gs, 4096)/(char *)&/' \
		userspace/examples/hello.c >"$root/program.gcc"
	cp "$root/program.gcc" "$root/program.g++"
	links_as_installed "$root" gcc '-x c -std=c99' && links_as_installed "$root" g++ '-x c++ -std=c++11' &&
		names_agree "$root" && hits_are_free "$root"
}
