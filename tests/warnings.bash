# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What compilers and sparse say of a module. Sourced, by programs whose directory
# is the repository.

# warnings KBUILD_ARGS KERNEL MODULE_DIR...: print them; status 0 if there are
# none and all of it was built.
warnings()
{
	local said status=0
	said=$(KBUILD_ARGS=$1 tests/vm/module --at-once "${@:2}" 2>&1 >/dev/null) || status=$?
	if ((status == 0)); then
		# modpost's are of trees that know no symbols of the kernel's own.
		said=$(grep -vE '^vm: |modpost:|Module.symvers is missing|^         (Modules may|You (may|can)|if you want)' \
			<<<"$said" || true)
		[[ -n $said ]] || return 0
	fi
	printf '%s\n' "$said"
	return 1
}
