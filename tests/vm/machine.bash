# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The machines that a guest runs on.  Each function starts one in the
# background, with the console, the command's output and the status lines as
# three files of $work, and sets machine_pid.  Sourced by tests/vm/run, whose
# variables it uses.
# shellcheck disable=SC2034,SC2054,SC2154
#
# setpriv ends the machine with the run, even if that is killed.
#
# A file, and not a pipe, is what QEMU's serial port writes to without ever
# dropping a byte because the reader is slow.

# Emulation on a loaded machine is slow, so stalls and lock-ups count later than
# usual.  The kernel stays where its System.map says, the same in every run, and
# does not test its ciphers at each boot.
command_line=(panic=-1 oops=panic loglevel=5 nokaslr cryptomgr.notests audit=0
	rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=20)

machine_settings()
{
	case $1 in
	um)
		console=tty0 output_terminal=/dev/tty1 status_terminal=/dev/tty2
		disk_device=/dev/ubda halt=poweroff
		;;
	x86_64 | i386)
		console=ttyS0 output_terminal=/dev/ttyS1 status_terminal=/dev/ttyS2
		# With -no-reboot a reboot ends QEMU, and needs no ACPI.
		disk_device=/dev/vda halt=reboot
		;;
	arm64)
		# Its own serial port, and two on the PCI bus.
		console=ttyAMA0 output_terminal=/dev/ttyS0 status_terminal=/dev/ttyS1
		disk_device=/dev/vda halt=reboot
		;;
	*) die 98 "machine.bash cannot start a machine of the architecture \"$1\" yet" ;;
	esac
}

machine_start()
{
	local file
	for file in console output status machine; do
		: >"$work/$file"
	done
	[[ -p $work/monitor ]] || mkfifo "$work/monitor"
	# Read and write, so that neither side waits for the other.
	exec {monitor}<>"$work/monitor"
	case $kernel_arch in
	um) start_uml ;;
	x86_64) start_qemu_x86 max ;;
	# A kernel of 32 bits takes AMD's for an Athlon, and warns of two.
	i386) start_qemu_x86 max,vendor=GenuineIntel ;;
	arm64) start_qemu_arm64 ;;
	esac
	# So that the shell does not announce how it ended.
	disown "$machine_pid"
}

# The machine leads a session, so its children (User-Mode Linux has many) have
# its number as their group.
machine_stop()
{
	[[ -n ${machine_pid:-} ]] || return 0
	kill -KILL -- "-$machine_pid" 2>/dev/null || true
}

# Where is a machine that hangs?  QEMU tells the registers, and the interrupt
# makes the kernel (unknown_nmi_panic) print its stack.
machine_interrogate()
{
	[[ $kernel_arch != um ]] || return 0
	printf 'info registers -a\nnmi\n' >&"$monitor"
	sleep 3
}

# One of the processors that were left out at first.
machine_plug()
{
	echo "device_add max-x86_64-cpu,id=late,socket-id=$((nodes - 1)),core-id=0,thread-id=0" >&"$monitor"
}

# As many processors on each node, and as much memory on each that is to have some.
numa_arguments()
{
	local node memdev each=$((cpus / nodes)) filled=$((nodes - bare_node))
	local size=$(($(numfmt --from=iec "$memory") / filled))
	((nodes > 1)) || return 0
	# A socket is a node's, or the kernel warns of an odd machine.
	arguments+=(-smp "$((cpus - late_cpu * each)),maxcpus=$cpus,sockets=$nodes,cores=$each,threads=1")
	for ((node = 0; node < nodes; node++)); do
		memdev=
		if ((node < filled)); then
			arguments+=(-object "memory-backend-ram,id=node$node,size=$size")
			memdev=,memdev=node$node
		fi
		arguments+=(-numa "node,nodeid=$node,cpus=$((node * each))-$((node * each + each - 1))$memdev")
	done
}

# start_qemu_x86 CPU
start_qemu_x86()
{
	# cx16: QEMU 7.2 leaves garbage in EFLAGS after cmpxchg16b; 6.12's SLUB dies of it.
	start_qemu 'unknown_nmi_panic tsc=reliable no_timer_check' \
		-M q35 -cpu "$1,la57=off,cx16=off" -serial chardev:output -serial chardev:status
}

# pauth-impdef: signed return addresses by a cipher that is cheap to emulate.
start_qemu_arm64()
{
	start_qemu '' -M virt,gic-version=3 -cpu max,pauth-impdef=on \
		-device pci-serial,chardev=output -device pci-serial,chardev=status
}

# start_qemu KERNEL_ARGUMENTS QEMU_ARGUMENT...
start_qemu()
{
	local device
	local -a arguments=(
		-smp "$cpus" -m "$memory"
		-nodefaults -no-user-config -display none -no-reboot
		-kernel "$kernel_image" -initrd "$work/initrd"
		-append "console=$console ${command_line[*]} $1 random.trust_cpu=on $append"
		-monitor stdio
		-chardev "file,id=console,path=$work/console" -serial chardev:console
		-chardev "file,id=output,path=$work/output"
		-chardev "file,id=status,path=$work/status"
		"${@:2}"
	)
	numa_arguments
	if ((icount)); then
		arguments+=(-accel tcg,thread=single -icount shift=0,sleep=off)
	else
		arguments+=(-accel tcg,thread=multi)
	fi
	# In this order: an IOMMU is told before what it translates for.
	for device in "${devices[@]}"; do
		arguments+=(-device "$device")
	done
	if [[ -n $disk_size ]]; then
		arguments+=(-drive "if=none,id=disk,format=raw,cache=unsafe,file=$work/disk"
			-device virtio-blk-pci,drive=disk)
	fi
	setsid setpriv --pdeathsig KILL "${emulator[@]}" "${arguments[@]}" <"$work/monitor" >"$work/machine" 2>&1 &
	machine_pid=$!
}

start_uml()
{
	local -a arguments=(
		mem="$memory" initrd="$work/initrd" seccomp=on ncpus="$cpus"
		con=null con0=null,fd:1 con1=null,fd:3 con2=null,fd:4 ssl=null
		console="$console" "${command_line[@]}"
	)
	((nodes == 1)) || die 2 "--numa needs a kernel that QEMU runs; $kernel_name is User-Mode Linux"
	((!icount)) || die 2 "--icount needs a kernel that QEMU runs; $kernel_name is User-Mode Linux"
	((!${#devices[@]})) || die 2 "--device needs a kernel that QEMU runs; $kernel_name is User-Mode Linux"
	[[ -z $disk_size ]] || arguments+=(ubd0="$work/disk")
	# The guest's memory is a file; one that lives in memory is faster.
	local memory_dir=$work
	[[ ! -w /dev/shm || $(stat -f -c %T /dev/shm) != tmpfs ]] || memory_dir=/dev/shm
	# shellcheck disable=SC2086 # several arguments
	TMPDIR=$memory_dir setsid setpriv --pdeathsig KILL "$kernel_image" "${arguments[@]}" $append \
		</dev/null >"$work/console" 2>"$work/machine" 3>"$work/output" 4>"$work/status" &
	machine_pid=$!
}
