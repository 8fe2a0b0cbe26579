# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every program of the bench shares: where things are kept, how it
# speaks to its user, how it locks.  Sourced, never run.
#
# Messages go to stderr, because stdout belongs to the guest's command (run)
# or to a caller that reads facts from it (kernel, module, packages).

vm_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
repository=${GOPHERSHIP_REPOSITORY:-$(cd -- "$vm_dir/../.." && pwd)}
# shellcheck disable=SC2034 # read by the programs that source this
cache=${GOPHERSHIP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gophership}
# shellcheck disable=SC2034
build_dir=$repository/build

say()
{
	printf 'vm: %s\n' "$*" >&2
}

# die STATUS MESSAGE...: the status tells a caller what kind of failure it is.
die()
{
	local status=$1
	shift
	say "$@"
	exit "$status"
}

# kbuild cannot build below such a path, nor can make.
case $repository$cache in
*[[:space:]\"\'\`\\\;\:\,\|\&\<\>\(\)\{\}\[\]\*\?\!\%\$\#]*)
	die 98 "nothing can be built below a path that has blanks or special characters;" \
		"move $repository, or let GOPHERSHIP_CACHE name another directory than $cache"
	;;
esac

# The comment at the top of a program is its manual.
usage_of()
{
	sed -n -e '1,2d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$1"
}

# hold FILE: take a lock for the rest of this (sub)shell.  Whoever comes second
# is told why it waits.
hold()
{
	mkdir -p "$(dirname "$1")"
	exec {lock_fd}>"$1"
	if ! flock -n "$lock_fd"; then
		say "waiting for another run that holds $1"
		flock "$lock_fd"
	fi
}

# with_progress LOG WHAT COUNT_PATTERN COMMAND...: run a long command with its
# output in LOG, and say every ten seconds how long it has taken and, if there
# is a pattern, how many lines of the log match it.
with_progress()
{
	local log=$1 what=$2 pattern=$3 start=$SECONDS pid counted status=0
	shift 3
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	say "$what (log: $log)"
	while kill -0 "$pid" 2>/dev/null; do
		if (((SECONDS - start) % 10 == 9)); then
			counted=''
			[[ -z $pattern ]] || counted=", $(grep -cE "$pattern" "$log" || true) done"
			say "$what: $((SECONDS - start)) s$counted"
		fi
		sleep 1
	done
	wait "$pid" || status=$?
	if ((status)); then
		tail -n 25 "$log" >&2
		say "$what: FAILED after $((SECONDS - start)) s; the whole log is $log"
		return "$status"
	fi
	say "$what: done in $((SECONDS - start)) s"
}
