# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A suite that consists of guests which print TAP: run them, count. Sourced; the
# suite has set here and vm, its own directory and that of the bench.

passed=0 failed=0 skipped=0 expected=0

# compile DIR: the suite's programs, into DIR, which another suite may use as well.
compile()
{
	"${vm:?}/deps" user
	mkdir -p "$1"
	flock "$1" make --no-print-directory -s -C "${here:?}" O="$1"
}

# expect N: so many more tests have to end.
expect()
{
	expected=$((expected + $1))
}

# guest OPTION... -- COMMAND...: as tests/vm/run; what its output says counts.
guest()
{
	local status=0 line bad=0
	while IFS= read -r line; do
		case $line in
		'ok '*'# SKIP'*) skipped=$((skipped + 1)) ;;
		'ok '*) passed=$((passed + 1)) ;;
		'not ok '*) failed=$((failed + 1)) bad=1 ;;
		'# status '*) status=${line##* } ;;
		esac
		printf '%s\n' "$line"
	done < <("${vm:?}/run" "$@" || echo "# status $?")
	if ((status && !(bad && status == 1))); then
		echo "not ok - tests/vm/run ended with $status"
		failed=$((failed + 1))
	fi
}

summary()
{
	local missing=$((expected - passed - failed - skipped))
	if ((missing > 0)); then
		echo "not ok - $missing of $expected tests did not end"
		failed=$((failed + missing))
	fi
	echo "$passed passed, $failed failed$( ((skipped == 0)) || echo ", $skipped skipped")"
	((failed == 0))
}
