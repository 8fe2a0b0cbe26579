# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the trials of packages share. Sourced by tests/packages/run.

passed=0 failed=0 skipped=0

# check WHAT COMMAND...: with what it printed, if it fails
check()
{
	local what=$1 said
	shift
	if said=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "ok $((passed + failed)) - $what"
	else
		failed=$((failed + 1))
		said+=$'\n'"failed: $*"
		tail -n 60 <<<"# ${said//$'\n'/$'\n'# }"
		echo "not ok $((passed + failed)) - $what"
	fi
}

finish()
{
	if ((skipped)); then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	((failed == 0))
	exit
}

# fails_with PATTERN COMMAND...: it does not end well, and says so
fails_with()
{
	local pattern=$1 said
	shift
	! said=$("$@" 2>&1) || { echo "it ended well: $said"; return 1; }
	grep -q -- "$pattern" <<<"$said" || { echo "it did not say \"$pattern\": $said"; return 1; }
}

# without_a_word COMMAND...
without_a_word()
{
	local said
	said=$("$@" 2>&1) && [[ -z $said ]] || { echo "$said"; return 1; }
}
