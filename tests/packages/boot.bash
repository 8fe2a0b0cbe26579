# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A Debian root with the packages boots, with systemd and udev. Sourced by tests/packages/run.
# shellcheck disable=SC2034,SC2154 # variables of tests/packages/run, and of machine.bash

# As its packages have it: the kernel, and the initrd that its own tools made.
machine_for_trial()
{
	local words
	. tests/vm/bench.bash
	. tests/vm/machine.bash
	words=$(tests/vm/emulator x86_64)
	mapfile -t emulator <<<"$words"
	kernel_arch=x86_64 cpus=2 memory=1G disk_size=3G nodes=1 bare_node=0 late_cpu=0 icount=0
	devices=() machine_pid=''
	machine_settings "$kernel_arch"
	kernel_image=$work/vmlinuz
	cp "$root/boot/vmlinuz-$kernel" "$kernel_image"
	cp "$root/boot/initrd.img-$kernel" "$work/initrd"
}

# make_disk: of the root; what it has mounted is not part of it
make_disk()
{
	umount "$root/dev" "$root/proc"
	truncate -s "$disk_size" "$work/disk"
	mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -O ^has_journal -d "$root" "$work/disk"
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
}

# put_trial: a unit of systemd's that takes the steps of a stage, after each boot
put_trial()
{
	local units=$root/etc/systemd/system
	cp -r tests/packages/guest "$root/trial"
	cp "$work"/debs-small/gophership-dkms_*.deb "$root/trial/"
	cp tests/packages/guest/trial.service "$units/trial.service"
	mkdir -p "$units/multi-user.target.wants"
	ln -s ../trial.service "$units/multi-user.target.wants/trial.service"
	echo 'SUBSYSTEM=="misc", KERNEL=="gophership-logtap", GROUP="gophership", MODE="0660"' \
		>"$root/etc/udev/rules.d/61-logtap.rules"
	echo guest >"$root/etc/hostname"
	in_root useradd -m -G gophership alice && in_root useradd -m bob &&
		in_root cc -o /trial/hello /usr/share/doc/libgophership-dev/examples/hello.c -lgophership
}

# add_logtap: a driver that is packaged as its authors would, for DKMS
add_logtap()
{
	local sources=$root/usr/src/logtap-1.0
	mkdir "$sources"
	cp tests/driver/logtap/*.c "$sources/"
	sed 's/courier/gophership_logtap/' tests/install/courier/Kbuild >"$sources/Kbuild"
	sed -e 's/courier/logtap/' -e '/BUILT_MODULE_NAME/s/logtap/gophership_logtap/' \
		tests/install/courier/dkms.conf >"$sources/dkms.conf"
	in_root dkms add -m logtap -v 1.0 && in_root dkms install -m logtap -v 1.0 -k "$kernel"
}

# boot STAGE SECONDS [ARGUMENTS]: what the guest printed comes out here, as far as it is TAP
boot()
{
	local stage=$1 limit=$2 start=$SECONDS line log
	append="root=/dev/vda rw systemd.show_status=0 trial=$stage ${3:-}"
	machine_start
	while kill -0 "$machine_pid" 2>/dev/null && ((SECONDS - start < limit)); do
		sleep 1
	done
	machine_stop
	mkdir -p build/vm
	log=build/vm/packages-$stage.log
	tr -d '\r\000' <"$work/console" >"$log"
	echo "# $stage took $((SECONDS - start)) s; the console: $log"
	while IFS= read -r line; do
		case $line in
		'ok '*) passed=$((passed + 1)) && line="ok $((passed + failed)) ${line#ok }" ;;
		'not ok '*) failed=$((failed + 1)) && line="not ok $((passed + failed)) ${line#not ok }" ;;
		esac
		echo "$line"
	done < <(tr -d '\r\000' <"$work/output")
	check "the stage \"$stage\" came to its end" grep -q '^# end' "$work/output"
	check '... and the kernel had no complaint' tests/vm/splats "$work/console"
}

part_boot()
{
	build_packages "$work/debs"
	build_packages "$work/debs-small" 9.9.9 small
	lay_root
	check 'the packages are installed' install_packages "$work/debs"
	check 'a driver of another tree, under DKMS' add_logtap
	check 'a trial' put_trial
	machine_for_trial
	make_disk
	lift_root
	boot installed 1800
	boot upgraded 1200
	boot purged 600
}
