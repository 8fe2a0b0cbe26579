# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The speed lab's cost and scale: sourced by tests/bench/run, whose functions and
# variables it uses.
# shellcheck disable=SC2154

# cost_lab KERNEL: what was chosen of it, one boot each where the machine differs
cost_lab()
{
	local kernel=$1 case
	while IFS= read -r case; do
		say "$kernel: $case"
		case $case in
		memory)
			# Room for all that the case caches.
			guest guest-cost "$kernel" --cpus 2 --mem 1G --params max_cached_mb=512 -- "$case"
			;;
		zero-alloc)
			guest guest-cost "$kernel" --cpus 2 --mem 512M -- "$case"
			;;
		scale-live)
			guest guest-cost "$kernel" --cpus 1 --mem 6G "${counting[@]}" -- "$case"
			;;
		scale-pools)
			guest guest-cost "$kernel" --cpus 2 --mem 1G "${counting[@]}" -- "$case"
			;;
		scale-cpus)
			guest guest-cost "$kernel" --cpus 16 --mem 2G "${counting[@]}" -- "$case"
			guest guest-cost "$kernel" --cpus 16 --numa 4 --mem 2G -- numa
			;;
		device)
			gcc -O2 -Wall -Wextra -I"$repository/uapi" -o "$build/device-$kernel" "$here/device.c"
			guest guest-cost "$kernel" --cpus 1 --mem 512M "${counting[@]}" \
				--with "$build/device-$kernel" -- "$case" "device-$kernel"
			;;
		dma)
			guest guest "$kernel" --cpus 1 --mem 512M --device intel-iommu --device edu \
				"${counting[@]}" --append 'init_on_alloc=0 intel_iommu=on iommu.strict=1' \
				-- 3 1536 "$case"
			;;
		esac | take_rows "$kernel" instructions
	done < <(chosen "${cost[@]}" "${scale[@]}")
}
