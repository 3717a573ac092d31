# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first process of a row's Linux does, in busybox's shell; the serial line is its output. And what a row
answers such a guest with, or asks this machine's KVM."""
import fcntl
import re
import struct

HELLO = 'echo "hello from $(busybox uname -rm) on $(busybox cat /sys/class/dmi/id/sys_vendor)"\nbusybox poweroff -f\n'
LOAD = "for m in %s; do busybox insmod /$m; done\necho loaded\n"

# Says what size its screen is to have, whenever that is another one.
SCREEN = '''while true; do
	mode=$(busybox head -n 1 /sys/class/drm/card0-Virtual-1/modes)
	[ "$mode" = "$last" ] || echo "screen $mode"
	last=$mode
	busybox sleep 0.2
done
'''

# Uses the second disk and the only network card whenever they come, and says when they are gone.
HOTPLUG = '''while true; do
	if [ -z "$disk" ] && [ -e /sys/block/vdb ]; then
		disk=yes
		echo "disk $(busybox cat /sys/block/vdb/serial) says $(busybox head -n 1 /dev/vdb)"
		echo "written by Linux" | busybox dd of=/dev/vdb conv=fsync 2>/dev/null && echo "disk written"
	fi
	if [ "$disk" ] && [ ! -e /sys/block/vdb ]; then
		disk=
		echo "disk gone"
	fi
	if [ -z "$card" ] && [ -e /sys/class/net/eth0 ]; then
		card=yes
		busybox ifconfig eth0 192.0.2.2 up
		busybox arp -s 192.0.2.1 52:54:00:00:00:01
		until busybox ping -c 1 -W 10 192.0.2.1 >/dev/null; do :; done
		echo "card $(busybox cat /sys/class/net/eth0/address) answered"
	fi
	if [ "$card" ] && [ ! -e /sys/class/net/eth0 ]; then
		card=
		echo "card gone"
	fi
	busybox sleep 0.1
done
'''

# Each processor pings by the network card's queues of its own; then what interrupted whom.
PAIRS = '''busybox ifconfig eth0 192.0.2.2 up
busybox arp -s 192.0.2.1 52:54:00:00:00:01
echo "queues $(busybox ls /sys/class/net/eth0/queues | busybox tr '\n' ' ')"
for c in 0 1; do
	busybox taskset -c $c busybox ping -c 5 -W 60 192.0.2.1 >/dev/null && echo "processor $c answered"
done
busybox grep 'virtio.*put' /proc/interrupts
busybox poweroff -f
'''

# Each processor runs a program of its own and has been interrupted by its own timer.
PROCESSORS = '''echo "processors $(busybox nproc)"
for c in $(busybox seq 0 15); do
	busybox taskset -c $c busybox awk '{print "ran on " $39}' /proc/self/stat
	at=/sys/devices/system/cpu/cpu$c/topology
	echo "core $(busybox cat $at/core_id) of package $(busybox cat $at/physical_package_id)"
done
busybox grep LOC: /proc/interrupts
busybox poweroff -f
'''

# The zone of what lies above 4 GiB is taken from first: what is read from the disk goes there. Without any, that below.
MEMORY = '''busybox grep "System RAM" /proc/iomem
echo "total $(busybox awk '/MemTotal/ {print $2}' /proc/meminfo) kB"
free() { busybox awk '$3 == "zone" {zone = $4} /nr_free_pages/ && $2 {free[zone] = $2}
	END {print "Normal" in free ? free["Normal"] : free["DMA32"]}' /proc/zoneinfo; }
echo "free before $(free)"
busybox md5sum /dev/vda
echo "free after $(free)"
busybox poweroff -f
'''

# Two busy processes for two processors, until one of them was kept waiting by the host.
CLOCKS = '''echo "clock $(busybox cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "clocks $(busybox cat /sys/devices/system/clocksource/clocksource0/available_clocksource)"
busybox grep "Clock Event Device: lapic" /proc/timer_list
while true; do :; done &
while true; do :; done &
until [ "${steal:-0}" -gt 0 ]; do
	busybox sleep 0.5
	read -r name user nice system idle iowait irq softirq steal rest < /proc/stat
done
echo "stolen $steal"
busybox poweroff -f
'''


def top(mib):
    """The last line of memory in /proc/iomem of a Linux that has so much, which is more than lies below the PCI hole (vmm/mem.h)."""
    return f"100000000-{(4 << 30) + (mib << 20) - 0xb0000000 - 1:x} : System RAM"


def available():
    """MiB of memory that this machine has left."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemAvailable: *(\d+) kB", file.read()).group(1)) >> 10


def pong(frame):
    """The answer to a ping (RFC 792) in an Ethernet frame, or None."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 1 or frame[34] != 8:
        return None
    total = struct.unpack_from(">H", frame, 36)[0] + 0x800  # the type goes from 8 to 0 (RFC 1624)
    return (frame[6:12] + frame[:6] + frame[12:26] + frame[30:34] + frame[26:30] + b"\0\0" +
            struct.pack(">H", (total & 0xffff) + (total >> 16)) + frame[38:])


CHECK_EXTENSION, GET_SUPPORTED_CPUID, TSC_DEADLINE_TIMER = 0xae03, 0xc008ae05, 72
CLOCKSOURCE2, STEAL_TIME = 1 << 3, 1 << 5


def kvm():
    """What this machine's KVM has: its paravirtual features (cpuid 0x40000001) and whether it has the TSC deadline timer."""
    table = bytearray(struct.pack("<II", 256, 0) + bytes(256 * 40))
    with open("/dev/kvm", "rb") as device:
        deadline = fcntl.ioctl(device, CHECK_EXTENSION, TSC_DEADLINE_TIMER) > 0
        fcntl.ioctl(device, GET_SUPPORTED_CPUID, table)
    leaves = (struct.unpack_from("<7I", table, 8 + 40 * i) for i in range(struct.unpack_from("<I", table)[0]))
    return next((eax for leaf, _, _, eax, _, _, _ in leaves if leaf == 0x40000001), 0), deadline
# The first four MiB of a disk are copied behind themselves by four at once; then what is behind all copies is trimmed.
COPIES = '''for m in MODULES; do busybox insmod /$m; done
until [ -b /dev/DISK ]; do busybox sleep 0.1; done
for n in 1 2 3 4; do busybox dd if=/dev/DISK of=/dev/DISK bs=1M count=4 seek=$((4 * n)) conv=fsync,notrunc 2>/dev/null & done
wait
busybox blkdiscard -o 33554432 -l 16777216 /dev/DISK && echo 3 >/proc/sys/vm/drop_caches
busybox dd if=/dev/DISK of=/one bs=1M count=4 2>/dev/null
busybox dd if=/dev/DISK of=/two bs=1M count=4 skip=16 2>/dev/null
busybox cmp /one /two && echo "disk $(busybox cat /sys/block/DISK/device/model) same"
busybox poweroff -f
'''
# GetRandom(16), by the same descriptor.
TPM = '''cd /sys/class/tpm/tpm0 && echo "tpm $(busybox cat tpm_version_major) $(busybox cat pcr-sha256/0) $(busybox cat pcr-sha256/4)"
exec 3<>/dev/tpm0
printf '\\200\\001\\000\\000\\000\\014\\000\\000\\001\\173\\000\\020' >&3
busybox dd bs=4096 count=1 <&3 2>/dev/null | busybox hexdump -C
busybox poweroff -f
'''
