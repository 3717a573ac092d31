# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-vmm's network card beside QEMU's (-netdev tap, no vhost): iperf3 both ways and small packets between the same Debian
guest (its generic kernel) and the host, by a tap device in a network namespace of the bench's own, with one processor and with
two, which have a pair of queues each. One VMM after the other and the whole round again, because machines have moods. Figures are
ratios: 1.00 is QEMU's, more is better, 0.90 is the bar. CPU is what a VMM spends outside its vCPUs for a gigabyte.

iperf3's server is in the guest, the client on the host; an answer is a TCP connection's byte that the guest sends back (p50 and
p99 of many), and an ICMP echo, which needs no program in the guest. Where KVM is not hardware the bench runs in a lab host of its own,
where the absolute figures mean nothing.

With two pairs a tap moves a flow to the queue on which the guest last sent of it, and where processors share one core (a lab's) frames
then overtake each other: TCP collapses in some runs, of either VMM, and not in others. So the best of the rounds counts, and
what was sent again is told.

NET_BENCH_S is the seconds of a row (4), NET_BENCH_ROUNDS the rounds (3), NET_BENCH_CPUS the processors (1,2)."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

import apart
import vm
import vmm_io_bench as io

SECONDS = int(os.environ.get("NET_BENCH_S", "4"))
ROUNDS = int(os.environ.get("NET_BENCH_ROUNDS", "3"))
CPUS = [int(n) for n in os.environ.get("NET_BENCH_CPUS", "1,2").split(",")]
BAR = 0.9
HOST, GUEST, MAC, TAP = "10.77.0.1", "10.77.0.2", "52:54:00:77:00:02", "bench0"
MODULES = """virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net""".split()

INIT = f"""#!/bin/busybox sh
busybox mount -t proc none /proc
busybox mount -t sysfs none /sys
busybox mount -t devtmpfs none /dev
busybox mount -t tmpfs none /tmp
for m in $(busybox cat /modules/order); do busybox insmod /modules/$m; done
busybox ip link set lo up
busybox ip addr add {GUEST}/24 dev eth0
busybox ip link set eth0 up
busybox nc -ll -p 5300 -e /bin/busybox cat &
/iperf3 -s >/dev/null &
echo bench.queues $(busybox ls -d /sys/class/net/eth0/queues/rx-* | busybox wc -l)
while :; do busybox sleep 1000; done
"""


def make_guest(folder):
    """Kernel and initramfs with iperf3 and what it is linked with."""
    lab = io.lab_module()
    kernel, release = lab.find_kernel()
    with tempfile.TemporaryDirectory() as root:
        for name in ("bin", "proc", "sys", "dev", "tmp", "modules"):
            os.mkdir(f"{root}/{name}")
        shutil.copy(shutil.which("busybox"), f"{root}/bin/busybox")
        iperf = shutil.which("iperf3")
        shutil.copy(iperf, f"{root}/iperf3")
        for path in re.findall(r"(/\S+) \(0x", subprocess.check_output(["ldd", iperf], text=True)):
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy(os.path.realpath(path), root + path)
        with open(f"{root}/init", "w", encoding="ascii") as file:
            file.write(INIT)
        os.chmod(f"{root}/init", 0o755)
        lab.MODULES = MODULES
        with open(f"{root}/modules/order", "w", encoding="ascii") as order:
            for stem, path in lab.find_modules(release):
                with open(f"{root}/modules/{stem}.ko", "wb") as file:
                    file.write(lab.read_module(path))
                order.write(f"{stem}.ko\n")
        io.archive(root, f"{folder}/initrd")
    with open(f"{folder}/kernel", "w", encoding="utf-8") as file:
        file.write(kernel)


# ---- the two VMMs --------------------------------------------------------------------------------------


def pane(cpus, guest, kernel, work):
    return [vm.PROGRAM, "--memory", "512", "--cpus", str(cpus), "--kernel", kernel, "--initrd", f"{guest}/initrd", "--cmdline", io.CMDLINE,
            "--net", f"tap={TAP},queues={cpus},ip={GUEST}", "--mac", MAC, "--serial", f"{work}/serial"]


def qemu(cpus, guest, kernel, work):
    queues = f",queues={cpus}" if cpus > 1 else ""
    return ["qemu-system-x86_64", "-name", "bench,debug-threads=on", "-nodefaults", "-no-user-config", "-M", "q35,accel=kvm", "-cpu", "host",
            "-m", "512", "-smp", str(cpus), "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", f"{guest}/initrd", "-append", io.CMDLINE,
            "-serial", f"file:{work}/serial", "-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no,vhost=off{queues}",
            "-device", f"virtio-net-pci,netdev=n,mac={MAC}" + (f",mq=on,vectors={2 * cpus + 2}" if cpus > 1 else "")]


def tap(cpus):
    subprocess.run(["ip", "tuntap", "add", TAP, "mode", "tap", "vnet_hdr", *(["multi_queue"] if cpus > 1 else [])], check=True)
    subprocess.run(["ip", "addr", "add", f"{HOST}/24", "dev", TAP], check=True)
    subprocess.run(["ip", "link", "set", TAP, "up"], check=True)


# ---- what is measured ----------------------------------------------------------------------------------


def iperf(pid, cpus, *words):
    """Bytes a second, and nanoseconds of CPU beside the vCPUs a byte."""
    for _ in range(20):  # its server is not there between two tests
        before = io.aside_ns(pid)
        done = subprocess.run(["iperf3", "-c", GUEST, "-J", "-t", str(SECONDS), "-O", "1", "-P", str(cpus), *words], stdout=subprocess.PIPE,
                              check=False)
        cpu = io.aside_ns(pid) - before
        end = json.loads(done.stdout).get("end", {})
        if end:
            break
        time.sleep(0.2)
    if not end.get("sum_received", {}).get("bytes"):
        raise RuntimeError(f"iperf3: {done.stdout.decode()[-500:]}")
    got = end["sum_received"]
    print(f"    {got['bytes'] >> 10} KiB {'from' if words else 'to'} the guest, {end['sum_sent'].get('retransmits')} segments sent again", flush=True)
    return got["bits_per_second"] / 8, cpu * (SECONDS / (SECONDS + 1)) / got["bytes"]


def percentiles(times):
    times = sorted(times)
    return times[len(times) // 2], times[len(times) * 99 // 100]


def answers():
    """Seconds until one byte is back, of a connection."""
    times = []
    with socket.create_connection((GUEST, 5300), 60) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            begun = time.perf_counter()
            line.sendall(b"x")
            if line.recv(1) != b"x":
                raise RuntimeError("the guest does not answer")
            times.append(time.perf_counter() - begun)
    return percentiles(times)


def pings():
    """Seconds until an ICMP echo is back (RFC 792)."""
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as line:
        line.settimeout(60)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            number = len(times) & 0xffff
            total = 0x0800 + number
            begun = time.perf_counter()
            line.sendto(struct.pack(">BBHHH", 8, 0, ~(total + (total >> 16)) & 0xffff, 0, number), (GUEST, 0))
            while (answer := line.recv(2000)[20:])[0] or answer[6:8] != struct.pack(">H", number):
                pass
            times.append(time.perf_counter() - begun)
    return percentiles(times)


def rows(pid, cpus):
    out = {}
    for name, words in (("to the guest", ()), ("from the guest", ("-R",))):
        rate, cpu = iperf(pid, cpus, *words)
        out[f"{name} MB/s"] = (rate, f"{rate / 1e6:.0f} MB/s")
        out[f"{name} CPU of a GB"] = (1 / cpu, f"{cpu:.2f} s")
    for name, times in (("answer", answers()), ("ping", pings())):
        for which, seconds in zip(("p50", "p99"), times):
            out[f"{name} {which}"] = (1 / seconds, f"{seconds * 1e6:.0f} us")
    return out


def reachable(process):
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((GUEST, 5300), 5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.2)


def measure(make, cpus, guest, kernel):
    with tempfile.TemporaryDirectory(prefix="net-bench-") as work, open(f"{work}/stderr", "wb") as log:
        tap(cpus)
        process = subprocess.Popen(make(cpus, guest, kernel, work), stdout=log, stderr=log)
        try:
            io.wait_for(process, f"{work}/serial", "bench.queues", 120)
            with open(f"{work}/serial", encoding="utf-8", errors="replace") as file:
                queues = int(re.search(r"bench.queues (\d+)", file.read())[1])
            if queues != cpus:
                raise RuntimeError(f"the guest has {queues} queues")
            reachable(process)
            return rows(process.pid, cpus)
        except (RuntimeError, OSError):
            with open(f"{work}/stderr", encoding="utf-8", errors="replace") as file:
                print(file.read()[-2000:])
            raise
        finally:
            process.kill()
            process.wait()
            subprocess.run(["ip", "link", "del", TAP], check=True)


# ---- the table -----------------------------------------------------------------------------------------


def table(guest):
    why = apart.enter(net=True, cut=False)
    if why:
        print(f"vmm net bench: skipped: {why}")
        return
    with open(f"{guest}/kernel", encoding="utf-8") as file:
        kernel = file.read()
    for cpus in CPUS:
        results = {"pane-vmm": [], "QEMU": []}
        for _ in range(ROUNDS):
            for name, make in (("pane-vmm", pane), ("QEMU", qemu)):
                results[name].append(measure(make, cpus, guest, kernel))
                print(f"  measured: {name}, {cpus} processors", flush=True)
        show(cpus, {name: io.best(runs) for name, runs in results.items()})


def show(cpus, results):
    print(f"  {f'{cpus} processors and queue pairs':<28}" + "".join(f"{name:>14}" for name in results) + f"{'pane : QEMU':>14}")
    for key, (value, text) in results["pane-vmm"].items():
        ratio = value / results["QEMU"][key][0]
        print(f"  {key:<28}{text:>14}{results['QEMU'][key][1]:>14}{ratio:14.2f}" + ("" if ratio >= BAR else "   UNDER THE BAR"), flush=True)


def main():
    if len(sys.argv) > 1:
        table(sys.argv[1])
        return
    io.beside(__file__, "net", ("iperf3", "qemu-system-x86_64", "busybox", "cpio"), f"network card, {SECONDS} s a row, {ROUNDS} rounds",
              make_guest, table, 0)


if __name__ == "__main__":
    main()
