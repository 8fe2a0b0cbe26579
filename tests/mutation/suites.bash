# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Tests that are to find a mistake in a copy of the sources. Sourced; the script has
# set repository, and kernel, where the tests of the device run.
#
# A test is one of
#
#   model [SCENARIO]             of tests/model
#   litmus                       the lines that tests/litmus stands for
#   kunit [GLOB]                 suites or cases of tests/kunit, on uml
#   lib PROGRAM [TEST]           of tests/libgophership, on this machine, without a device
#   ship [NAME]                  tests/user/test-ship, or its checks with that in their name
#   tool                         tests/user/tool, without a device
#   pressure                     tests/pressure
#   watch [CHECK]                tests/watch, or a check of it
#   driver late|lend|numa        of tests/driver, on debian-6.1
#   port TEST                    a test of tests/port, or a program of them
#   stream SCENARIO              of the model of tests/stream; "stream guest TEST": of listen there
#   dma MODE                     tests/dma, in one of its modes
#   dmabuf PROGRAM [TEST]        of tests/dmabuf, with swiotlb=force
#   libport PROGRAM TEST         of tests/libport, on this machine, where the test is the driver
#   libguest PROGRAM             of tests/libgophership, on the device
#   PROGRAM[,PROGRAM]... [PARAMETER]...
#                                of tests/user, with parameters for the module

# make_copy DIR: all that is no product, so that a test works there as here. The files are
# new: what was compiled there of a mistake, in an earlier run, is compiled again.
make_copy()
{
	mkdir -p "$1"
	tar -C "${repository:?}" --exclude=./build --exclude=./.git -c . | tar -x --touch -C "$1"
}

# run_lib COPY PROGRAM [TEST]: what does not compile is status 97.
run_lib()
{
	local copy=$1 program=$2 harness
	harness=$("$copy/tests/vm/kernel" uml | sed -n 's/^kdir=//p')/tools/testing/selftests
	make -s -C "$copy/tests/libgophership" HARNESS="$harness" O="$copy/build/tests" \
		"$copy/build/tests/standin/$program" || return 97
	shift 2
	timeout 200 "$copy/build/tests/standin/$program" ${1:+-t "$1"}
}

# run_watch COPY [CHECK]: what does not compile, or does not run to the end, is status 97.
run_watch()
{
	local output status=0
	output=$("$1/tests/watch/run") || true
	printf '%s\n' "$output"
	# The kernel complained.
	! grep -q 'ended with 99$' <<<"$output" || return 99
	grep -qE "^(not )?ok [0-9]+ - .*${2-}" <<<"$output" || return 97
	! grep -qE "^not ok [0-9]+ - .*${2-}" <<<"$output" || status=1
	return "$status"
}

# run_libport COPY PROGRAM TEST: as run_lib.
run_libport()
{
	local copy=$1 program=$2 harness
	harness=$("$copy/tests/vm/kernel" uml | sed -n 's/^kdir=//p')/tools/testing/selftests
	make -s -C "$copy/tests/libport" HARNESS="$harness" O="$copy/build/tests" \
		"$copy/build/tests/libport-standin/$program" || return 97
	timeout 200 "$copy/build/tests/libport-standin/$program" -t "$3"
}

# run_user COPY PROGRAM[,PROGRAM]... [PARAMETER]...: as tests/user/guest does it.
run_user()
{
	local copy=$1 programs=${2//,/ } program prepare=true
	local -a with=() nodes=()
	shift 2
	for program in $programs; do
		with+=(--with "$repository/build/tests/user/$program")
	done
	[[ $programs != numa_test ]] || nodes=(--cpus 2 --numa 2)
	((!$#)) || prepare='chmod 0666 /dev/gophership'
	"$copy/tests/vm/run" --kernel "${kernel:?}" --disk 64M --modprobe nbd --params "$*" \
		--append init_on_alloc=0 "${nodes[@]}" "${with[@]}" --timeout $((100 + 50 * ${#with[@]} / 2)) -- \
		sh -c "$prepare; for program in $programs; do \$program || exit 1; done"
}

# run_driver COPY PART: as tests/driver/run does it.
run_driver()
{
	local copy=$1 part=$2 machine='--cpus 4'
	[[ $part != late ]] || machine='--cpus 4 --numa 2 --late-cpu'
	[[ $part != numa ]] || machine='--cpus 2 --numa 2'
	make --no-print-directory -s -C "$copy/tests/driver" O="$copy/build/tests/driver"
	# shellcheck disable=SC2086 # several options
	"$copy/tests/vm/run" --kernel debian-6.1 --mem 512M $machine --no-load \
		--build "$copy/tests/driver/torture" --build "$copy/tests/driver/lend" \
		--with "$copy/build/tests/driver/pipe" --with "$copy/tests/driver/guest" \
		--with "$copy/tests/driver/guest-steps" --with "$copy/tests/driver/guest-memory" \
		--with "$copy/tests/driver/guest-drivers" --timeout 150 -- \
		sh -c "sh guest $part | tee /tmp/part && ! grep '^not ok' /tmp/part"
}

# run_port COPY TEST: as tests/port/run does it.
run_port()
{
	local program
	local -a with=()
	for program in "$repository"/build/tests/port/*_test; do
		with+=(--with "$program")
	done
	"$1/tests/vm/run" --kernel "$kernel" --cpus 2 --no-load --append init_on_alloc=0 \
		--build "$1/tests/driver/echo" --build "$1/tests/driver/pulse" --timeout 300 \
		"${with[@]}" --with "$1/tests/port/guest" -- \
		sh guest 0 0 "$2"
}

# run_dmabuf COPY PROGRAM TEST: as tests/dmabuf/run does it.
run_dmabuf()
{
	"$1/tests/vm/run" --kernel "$kernel" --cpus 2 --append init_on_alloc=0 \
		--append swiotlb=force --build "$1/tests/dmabuf/dmabuf_importer" \
		--with "$repository/build/tests/dmabuf/$2" --timeout 300 -- \
		sh -c "insmod /t/gophership_importer.ko; BOUNCED=1 $2 ${3:+-t $3}"
}

run_tool()
{
	mkdir -p "$1/build"
	"$1/tests/user/tool"
}

# run_stream COPY SCENARIO|guest [TEST]: as tests/stream/run does it.
run_stream()
{
	local copy=$1
	make --no-print-directory -s -C "$copy/tests/stream" O="$copy/build/tests/stream" || return 97
	if [[ $2 != guest ]]; then
		timeout 300 "$copy/build/tests/stream/model" "$2"
		return
	fi
	"$copy/tests/vm/run" --kernel "$kernel" --cpus 2 --no-load --build "$copy/tests/driver/scribe" \
		--with "$copy/build/tests/stream/listen" --with "$copy/tests/stream/guest" --timeout 300 -- \
		sh guest 0 "$3"
}

# run_ship COPY [NAME]: as tests/user/ship does it.
run_ship()
{
	local copy=$1
	make --no-print-directory -s -C "$copy/userspace" O=../build/userspace-static STATIC=1 \
		WERROR=1 || return 97
	"$copy/tests/vm/run" --kernel "$kernel" --disk 256M --timeout 400 \
		--modprobe lzo-rle --modprobe zram \
		--with "$copy/build/userspace-static/gophershipctl" \
		--with "$copy/build/userspace-static/hello" --with "$repository/build/tests/user/spoil" \
		--with "$copy/tests/user/ship-steps" --with "$copy/tests/user/ship-copies" \
		--with "$copy/tests/user/ship-failures" --with "$copy/tests/user/test-ship" \
		-- test-ship "${@:2}"
}

# run_lib_in_guest COPY PROGRAM: as tests/libgophership/run does it.
run_lib_in_guest()
{
	local copy=$1 program=$2 harness
	harness=$("$copy/tests/vm/kernel" uml | sed -n 's/^kdir=//p')/tools/testing/selftests
	make -s -C "$copy/tests/libgophership" HARNESS="$harness" O="$copy/build/tests" \
		"$copy/build/tests/lib/$program" || return 97
	"$copy/tests/vm/run" --kernel "$kernel" --disk 64M --timeout 400 \
		--with "$copy/build/tests/lib/$program" -- "$program"
}

# run_test COPY TEST: status 0 if it passes, 97 if what was changed does not compile.
run_test()
{
	local copy=$1 kind words
	export GOPHERSHIP_REPOSITORY=$copy
	read -r kind words <<<"$2"
	# shellcheck disable=SC2086 # several words
	case $kind in
	model) timeout 600 "$copy/tests/model/run" ${words:+"$words"} ;;
	litmus) "$copy/tests/litmus/lines" ;;
	kunit) "$copy/tests/kunit/run" ${words:+--only "$words" --timeout 120} ;;
	libguest) run_lib_in_guest "$copy" $words ;;
	lib) run_lib "$copy" $words ;;
	libport) run_libport "$copy" $words ;;
	tool) run_tool "$copy" ;;
	ship) run_ship "$copy" ${words:+"$words"} ;;
	pressure) "$copy/tests/pressure/run" --seconds 1 ;;
	watch) run_watch "$copy" "$words" ;;
	driver) run_driver "$copy" "$words" ;;
	port) run_port "$copy" "$words" ;;
	stream) run_stream "$copy" $words ;;
	dma) "$copy/tests/dma/run" "$kernel/$words" ;;
	dmabuf) run_dmabuf "$copy" $words ;;
	*) run_user "$copy" $2 ;;
	esac
}

# build_AREA COPY: as far as the tests of an area need it to see what the compiler makes of it.
build_kernel()
{
	"$1/tests/vm/module" uml >/dev/null
}

build_library()
{
	make --no-print-directory -s -C "$1/userspace" library O="$1/build/library" WERROR=1
}

build_tool()
{
	make --no-print-directory -s -C "$1/userspace" O=../build/userspace-static STATIC=1 WERROR=1
}

# named_failure LOG: prints the first test that failed by name, if there is one. A test
# that did not run names nothing.
named_failure()
{
	sed -n -e '/did not run\|did not end\|ended with [0-9]/d' \
		-e 's/^not ok  *\(.*[a-z].*\)/\1/p' "$1" | head -n 1
}

# found STATUS LOG: did a test notice? It has to be named; or the bench names what the
# kernel complained of, or that the module is in use for ever. A machine that hangs or
# does not boot says nothing.
found()
{
	(($1 != 0 && $1 != 97)) || return 1
	# Suites of several guests end with 1, and tell of the guest.
	[[ -n $(named_failure "$2") ]] || (($1 == 99 || $1 == 96)) ||
		grep -qE '^not ok - tests/vm/run ended with (99|96)$' "$2"
}
