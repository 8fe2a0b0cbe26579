#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module's life: who keeps it loaded, which parameters it takes, and that
# nothing stays behind. Runs in the guest, under busybox sh; prints TAP.
#
#   lifetime.sh [CYCLES [STORMS]]     so many loads; so many while it is opened
set -u

module=/t/gophership.ko
# Without debug information, if it is there: quicker to load.
stripped=/t/stripped/gophership.ko
[ -e $stripped ] || stripped=$module
importer=/t/importer.ko
cycles=${1:-0}
storms=${2:-50}
tests=0
failures=0

# check NAME FUNCTION [ARGUMENT]...: run it and print the TAP line.
# A function's steps are joined with &&, or it returns.
check()
{
	name=$1
	shift
	tests=$((tests + 1))
	if "$@" >/tmp/lifetime.log 2>&1; then
		echo "ok $tests $name"
	else
		failures=$((failures + 1))
		echo "not ok $tests $name"
		dmesg | tail -n 5 >>/tmp/lifetime.log
	fi
	sed 's/^/# /' /tmp/lifetime.log
}

skip()
{
	tests=$((tests + 1))
	echo "ok $tests $1 # SKIP $2"
}

loaded()
{
	grep -q '^gophership ' /proc/modules
}

# Not at once: a killed process may still be closing its files.
unload()
{
	tries=0
	while ! rmmod gophership; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		sleep 0.1
	done
}

# rmmod says EWOULDBLOCK, and the module goes on as if nothing were.
refuses_to_unload()
{
	if rmmod gophership 2>/tmp/rmmod; then
		echo 'it was unloaded'
		return 1
	fi
	cat /tmp/rmmod
	grep -q 'Resource temporarily unavailable' /tmp/rmmod && loaded &&
		[ -c /dev/gophership ]
}

stays_while_held_by()
{
	insmod $module || return 1
	mkfifo /tmp/held
	user/hold "$1" >/tmp/held &
	holder=$!
	read -r word </tmp/held
	rm /tmp/held
	status=0
	[ "$word" = held ] && refuses_to_unload || status=1
	kill -9 $holder
	wait $holder
	unload && [ $status = 0 ]
}

stays_while_imported()
{
	insmod $module && insmod $importer || return 1
	status=0
	refuses_to_unload || status=1
	rmmod importer && unload && [ $status = 0 ]
}

leaves_nothing()
{
	! loaded && [ ! -e /dev/gophership ] && [ ! -e /sys/module/gophership ] || return 1
	if grep gophership /proc/slabinfo /proc/misc /proc/filesystems; then
		return 1
	fi
}

# refuses RANGE PARAMETER: EINVAL, and one line that names the range.
refuses()
{
	dmesg -c >/dev/null
	if user/load $module "$2" 2>/tmp/load; then
		echo 'it was loaded'
		rmmod gophership
		return 1
	fi
	cat /tmp/load
	dmesg | grep 'gophership: ' >/tmp/lines
	cat /tmp/lines
	grep -q 'Invalid argument' /tmp/load && ! loaded && [ "$(wc -l </tmp/lines)" = 1 ] &&
		grep -q "gophership: ${2%=*}.*$1" /tmp/lines
}

# No number at all, or one that does not fit: the kernel itself says no.
refuses_number()
{
	if user/load $module "$1"; then
		rmmod gophership
		return 1
	fi
	! loaded
}

takes()
{
	insmod $module "$@" && [ -c /dev/gophership ] || return 1
	if ! user/abi_test -t commands_work >/tmp/abi 2>&1; then
		cat /tmp/abi
		return 1
	fi
	unload
}

# What of /proc/meminfo is accounted for, in KiB.
accounted='MemFree|Buffers|Cached|SwapCached|AnonPages|Slab|KernelStack|PageTables'
accounted="$accounted|SecPageTables|Percpu|VmallocUsed"

# What the kernel has in use, in KiB (and the number of vmalloc areas). "other"
# are pages that nobody accounts for, as from alloc_pages(), without those that
# are free but lie with a processor.
figures()
{
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	slab=$(sed -n 's/^Slab: *\([0-9]*\).*/\1/p' /proc/meminfo)
	percpu=$(sed -n 's/^Percpu: *\([0-9]*\).*/\1/p' /proc/meminfo)
	vmalloc=$(sed -n 's/^VmallocUsed: *\([0-9]*\).*/\1/p' /proc/meminfo)
	areas=$(wc -l </proc/vmallocinfo)
	other=$(awk -v accounted="^($accounted):" '
		FILENAME ~ /zoneinfo/ { if ($1 == "count:") known += $2 * 4; next }
		$1 == "MemTotal:" { total = $2 }
		$0 ~ accounted { known += $2 }
		END { print total - known }' /proc/meminfo /proc/zoneinfo)
	available=$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo)
	echo "$1: slab $slab percpu $percpu vmalloc $vmalloc other $other KiB, $areas areas" \
		"($available KiB available)"
}

grown()
{
	[ $((other - other_before)) -ge $((cycles * 2)) ] ||
		[ $((slab - slab_before)) -ge $((cycles + 256)) ] ||
		[ $((percpu - percpu_before)) -ge $((cycles / 2 + 64)) ] ||
		[ $((vmalloc - vmalloc_before)) -ge $((cycles + 256)) ] ||
		[ $((areas - areas_before)) -ge $((cycles / 20 + 8)) ]
}

# One leaked page each time would be $cycles * 4 KiB of something. With less
# than some 300 cycles the noise is larger than that.
cycles_leave_nothing()
{
	# Most of a cycle would be the waiting for grace periods.
	echo 1 >/sys/kernel/rcu_expedited
	# What is allocated once and kept is so after a few.
	user/cycle $stripped 20 || return 1
	figures before
	slab_before=$slab percpu_before=$percpu vmalloc_before=$vmalloc
	other_before=$other areas_before=$areas
	user/cycle $stripped "$cycles" || return 1
	echo 0 >/sys/kernel/rcu_expedited
	# What the kernel frees in its own time may take some.
	for _ in $(seq 20); do
		figures after
		! grown || continue
		leaves_nothing
		return
	done
	return 1
}

unload_races_with_open()
{
	echo 1 >/sys/kernel/rcu_expedited
	user/storm $stripped "$storms"
	status=$?
	echo 0 >/sys/kernel/rcu_expedited
	[ $status = 0 ] && leaves_nothing
}

memory_mb=$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))

check unload_leaves_nothing takes
check nothing_is_left_of_it leaves_nothing
check open_fd_keeps_it stays_while_held_by fd
check mapping_without_fd_keeps_it stays_while_held_by mapping
check importing_driver_keeps_it stays_while_imported
# A kernel of 32 bits has room for less, and smaller words.
quota_max=1024 huge=18446744073709551615
[ "$(uname -m)" != i686 ] || quota_max=512 huge=4294967295
check quota_mb_0_is_refused refuses "1 to $quota_max" quota_mb=0
check quota_mb_above_the_maximum_is_refused refuses "1 to $quota_max" quota_mb=$((quota_max + 1))
check quota_mb_4294967295_is_refused refuses "1 to $quota_max" quota_mb=4294967295
check user_limit_mb_above_memory_is_refused refuses "1 to $memory_mb" user_limit_mb=100000
check memlock_max_mb_above_memory_is_refused refuses "1 to $memory_mb" memlock_max_mb=100000
check max_cached_mb_above_memory_is_refused refuses "0 to $memory_mb" max_cached_mb=100000
check max_cached_mb_huge_is_refused refuses "0 to $memory_mb" max_cached_mb=$huge
check reserve_1025_is_refused refuses '0 to 1024' reserve=1025
check reserve_4294967295_is_refused refuses '0 to 1024' reserve=4294967295
check negative_number_is_refused refuses_number quota_mb=-1
check word_is_refused refuses_number max_cached_mb=many
check too_large_number_is_refused refuses_number reserve=4294967296
check refusals_left_nothing leaves_nothing
check smallest_values_are_taken takes quota_mb=1 user_limit_mb=1 max_cached_mb=1 reserve=0
check largest_values_are_taken takes quota_mb=$quota_max user_limit_mb=$memory_mb memlock_max_mb=$memory_mb max_cached_mb=$memory_mb reserve=1024
check poison_is_taken takes poison=1
check unload_races_with_open unload_races_with_open
if [ "$cycles" -gt 0 ]; then
	check cycles_of_load_and_unload_leave_nothing cycles_leave_nothing
else
	skip cycles_of_load_and_unload_leave_nothing 'another kernel does that (--cycles)'
fi
[ $failures = 0 ]
