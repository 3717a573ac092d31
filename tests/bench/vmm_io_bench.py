# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-vmm's disk beside QEMU's: fio in the same Debian guest (its generic kernel, one processor), on the same file of
the same host, one VMM after the other and the whole round again, because machines have moods. Figures are ratios:
1.00 is QEMU's, more is better, 0.90 is the bar. CPU is what a VMM spends outside its vCPUs for a request.

First, on this machine and without a guest: the disk device with all its queues, notifications and interrupts (a driver's
thread in its place, tests/vmm/virtio/blk_pace.h) beside QEMU's block layer alone (qemu-img bench, which has none of
them): microseconds and CPU of a request.

In the guest QEMU is measured as it is fast here: cache=writeback (the host's page cache, as pane-vmm has it) with aio=threads and
with aio=io_uring; what counts is the better of the two in each row. Where KVM is not hardware the bench runs in a lab host of its own, where the
absolute figures mean nothing.

IO_BENCH_ONLY=guest leaves the first part out. IO_BENCH_ICOUNT=1: a lab whose clock counts instructions, where all figures repeat. IO_BENCH_S is the seconds of a row (4), IO_BENCH_ROUNDS the rounds (1), IO_BENCH_CACHE=none adds QEMU past the page cache."""
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import vm

SECONDS = int(os.environ.get("IO_BENCH_S", "4"))
ROUNDS = int(os.environ.get("IO_BENCH_ROUNDS", "1"))
FILE_MIB = 256
BAR = 0.9
HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = """virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk crc32c_generic libcrc32c
crc16 mbcache jbd2 ext4""".split()
# name, fio's words, what is compared
JOBS = [("read-1m", "rw=read bs=1m iodepth=4", "bw"), ("write-1m", "rw=write bs=1m iodepth=4", "bw"),
        ("randread-4k-1", "rw=randread bs=4k iodepth=1", "lat"), ("randwrite-4k-1", "rw=randwrite bs=4k iodepth=1", "lat"),
        ("randread-4k-32", "rw=randread bs=4k iodepth=32", "iops"), ("randwrite-4k-32", "rw=randwrite bs=4k iodepth=32", "iops")]

INIT = """#!/bin/busybox sh
busybox mount -t proc none /proc
busybox mount -t sysfs none /sys
busybox mount -t devtmpfs none /dev
for m in $(busybox cat /modules/order); do busybox insmod /modules/$m; done
busybox mount -t ext4 -o ro,noload /dev/vdb /tools || busybox poweroff -f
busybox mount -t devtmpfs none /tools/dev
busybox mount -t tmpfs none /tools/tmp
busybox mount -t proc none /tools/proc
echo none >/sys/block/vda/queue/scheduler
busybox chroot /tools /fio --version
echo bench.begin
busybox chroot /tools /fio --output-format=json --output=/tmp/result /jobs
busybox dd if=/tools/tmp/result of=/dev/vdc bs=4096 conv=sync,fsync
echo bench.end
while :; do busybox sleep 1000; done
"""


def lab_module():
    loader = importlib.machinery.SourceFileLoader("lab", os.path.join(vm.SOURCE, "deploy/lab/lab"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lab", loader))
    loader.exec_module(module)
    return module


# ---- without a guest ------------------------------------------------------------------------------------


PACES = [("read", 1, 4096, 30000), ("write", 1, 4096, 30000), ("read", 32, 4096, 60000), ("write", 32, 4096, 60000),
         ("read", 4, 1 << 20, 1500), ("write", 4, 1 << 20, 1500)]
PACE_ROUNDS = 5


def pane_pace(engine, what, depth, size, total, path):
    done = subprocess.run([f"{vm.BUILD}/tests/vmm/virtio/virtio_blk_ring_test", engine, what, str(depth), str(size), str(total), path],
                          stdout=subprocess.PIPE, check=True)
    said = json.loads(done.stdout)
    return said["us"], said["cpu_us"]


def qemu_pace(aio, what, depth, size, total, path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["qemu-img", "bench", "-f", "raw", "-t", "writeback", "-i", aio, "-d", str(depth), "-s", str(size),
                           "-c", str(total), *(["-w"] if what == "write" else []), path], stdout=subprocess.PIPE, check=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(re.search(r"completed in ([0-9.]+)", done.stdout)[1]) * 1e6 / total, cpu * 1e6 / total


def paces():
    """The best of a few rounds, all of them one after the other in each."""
    columns = {"uring": pane_pace, "threads": pane_pace, "QEMU io_uring": qemu_pace, "QEMU threads": qemu_pace}
    with tempfile.TemporaryDirectory() as work:
        path = f"{work}/disk"
        with open(path, "wb") as file:
            for _ in range(64):
                file.write(os.urandom(1 << 20))
        print(f"  {'us (CPU us) of a request':<28}" + "".join(f"{name:>18}" for name in columns) + f"{'QEMU : uring':>16}{'CPU':>8}")
        for pace in PACES:
            best_of = {}
            for _ in range(PACE_ROUNDS):
                for name, measure_one in columns.items():
                    took = measure_one(name.removeprefix("QEMU "), *pace, path)
                    best_of[name] = tuple(map(min, zip(took, best_of.get(name, took))))
            rival = [min(best_of[n][i] for n in columns if n.startswith("QEMU")) for i in (0, 1)]
            ratio = [rival[i] / best_of["uring"][i] for i in (0, 1)]
            print(f"  {f'{pace[0]} {pace[2] >> 10}k depth {pace[1]}':<28}" + "".join(f"{f'{t:.1f} ({c:.1f})':>18}" for t, c in best_of.values())
                  + f"{ratio[0]:16.2f}{ratio[1]:8.2f}", flush=True)


# ---- the guest -----------------------------------------------------------------------------------------


def jobs():
    text = "[global]\nfilename=/dev/vda\ndirect=1\nioengine=libaio\nthread\ntime_based\nramp_time=1\nnorandommap\n" \
           f"runtime={SECONDS}\n"
    return text + "".join(f"[{name}]\nstonewall\n" + words.replace(" ", "\n") + "\n" for name, words, _ in JOBS)


def archive(folder, to):
    names = subprocess.run(["find", "."], cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    with open(to, "wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=folder, input=names, check=True, stdout=file)


def make_initrd(to, lab, release):
    with tempfile.TemporaryDirectory() as root:
        for name in ("bin", "proc", "sys", "dev", "modules", "tools"):
            os.mkdir(f"{root}/{name}")
        shutil.copy(shutil.which("busybox"), f"{root}/bin/busybox")
        with open(f"{root}/init", "w", encoding="ascii") as file:
            file.write(INIT)
        os.chmod(f"{root}/init", 0o755)
        lab.MODULES = MODULES
        with open(f"{root}/modules/order", "w", encoding="ascii") as order:
            for stem, path in lab.find_modules(release):
                with open(f"{root}/modules/{stem}.ko", "wb") as file:
                    file.write(lab.read_module(path))
                order.write(f"{stem}.ko\n")
        archive(root, to)


def make_tools(to):
    """A read-only disk with fio, what it is linked with, and its orders."""
    with tempfile.TemporaryDirectory() as root:
        for name in ("dev", "tmp", "proc"):
            os.mkdir(f"{root}/{name}")
        fio = shutil.which("fio")
        shutil.copy(fio, f"{root}/fio")
        for path in re.findall(r"(/\S+) \(0x", subprocess.check_output(["ldd", fio], text=True)):
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy(os.path.realpath(path), root + path)
        with open(f"{root}/jobs", "w", encoding="ascii") as file:
            file.write(jobs())
        with open(to, "wb") as file:
            file.truncate(256 << 20)
        env = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, to], check=True, env=env)


def make_guest(folder):
    lab = lab_module()
    kernel, release = lab.find_kernel()
    make_initrd(f"{folder}/initrd", lab, release)
    make_tools(f"{folder}/tools")
    with open(f"{folder}/kernel", "w", encoding="utf-8") as file:
        file.write(kernel)


# ---- the two VMMs --------------------------------------------------------------------------------------


CMDLINE = "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init"


def pane(engine, guest, kernel, work):
    return [vm.PROGRAM, "--memory", "512", "--kernel", kernel, "--initrd", f"{guest}/initrd", "--cmdline", CMDLINE,
            "--disk", f"raw={work}/disk", "--disk", f"raw={guest}/tools,readonly", "--disk", f"raw={work}/result",
            "--disk-engine", engine, "--serial", f"{work}/serial"]


def qemu(drive, guest, kernel, work):
    line = ["qemu-system-x86_64", "-name", "bench,debug-threads=on", "-nodefaults", "-no-user-config", "-M", "q35,accel=kvm", "-cpu", "host",
            "-m", "512", "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", f"{guest}/initrd", "-append", CMDLINE,
            "-serial", f"file:{work}/serial"]
    for i, (path, how) in enumerate(((f"{work}/disk", drive), (f"{guest}/tools", "readonly=on"), (f"{work}/result", "cache=writeback"))):
        line += ["-drive", f"if=none,id=d{i},format=raw,file={path},{how}", "-device", f"virtio-blk-pci,drive=d{i},num-queues=1"]
    return line


def aside_ns(pid):
    """CPU so far of what is no vCPU."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as file:
                if re.match(r"vcpu|CPU ", file.read()):
                    continue
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total


def wait_for(process, path, text, seconds):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(FileNotFoundError):
            with open(path, encoding="utf-8", errors="replace") as file:
                said = file.read()
            if text in said:
                return
        if process.poll() is not None or time.monotonic() > end:
            with contextlib.suppress(FileNotFoundError):
                print(said[-3000:])
            raise RuntimeError(f"no {text}")
        time.sleep(0.2)


def engine_of(work):
    """What pane-vmm says of the disk that is measured."""
    with open(f"{work}/stderr", encoding="utf-8", errors="replace") as file:
        found = re.search(r"disk.engine (engine=\w+)", file.read())
    return found[1] if found else "as told"


def measure(command, work):
    for name in ("serial", "serial.old"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{work}/{name}")
    with open(f"{work}/result", "wb") as file:
        file.truncate(1 << 20)
    with open(f"{work}/stderr", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(process, f"{work}/serial", "bench.begin", 120)
        before = aside_ns(process.pid)
        wait_for(process, f"{work}/serial", "bench.end", 60 + 10 * (SECONDS + 1) * len(JOBS))
        cpu = aside_ns(process.pid) - before
    except RuntimeError:
        with open(f"{work}/stderr", encoding="utf-8", errors="replace") as file:
            print(file.read()[-2000:])
        raise
    finally:
        process.kill()
        process.wait()
    with open(f"{work}/result", "rb") as file:
        said = json.loads(file.read().split(b"\0")[0])
    return rows(said, cpu)


def rows(said, cpu):
    out, ios = {}, 0
    for job in said["jobs"]:
        side = job["read"] if job["read"]["total_ios"] else job["write"]
        name, ios = job["jobname"], ios + side["total_ios"]
        if not side["total_ios"]:
            raise RuntimeError(f"fio did nothing in {name}")
        percentile = side["clat_ns"]["percentile"]
        what = next(w for n, _, w in JOBS if n == name)
        if what == "lat":
            out[name + " p50"] = (1e9 / percentile["50.000000"], f"{percentile['50.000000'] / 1000:.0f} us")
            out[name + " p99"] = (1e9 / percentile["99.000000"], f"{percentile['99.000000'] / 1000:.0f} us")
        out[name + " " + ("MB/s" if what == "bw" else "IOPS")] = (side["iops"], f"{side['bw_bytes'] / 1e6:.0f} MB/s" if what == "bw"
                                                                 else f"{side['iops']:.0f}/s")
    out["requests a second of CPU"] = (ios * 1e9 / max(cpu, 1), f"{cpu / ios / 1000:.1f} us")
    return out


# ---- the table -----------------------------------------------------------------------------------------


def host_file(work):
    """Written once, so that no row allocates."""
    with open(f"{work}/disk", "wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(FILE_MIB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def best(runs):
    """Of several rounds, each row's best."""
    return {key: max((r[key] for r in runs), key=lambda v: v[0]) for key in runs[0]}


def table(guest):
    work = tempfile.mkdtemp(prefix="io-bench-", dir="/lab/data" if os.path.ismount("/lab/data") else None)
    with open(f"{guest}/kernel", encoding="utf-8") as file:
        kernel = file.read()
    columns = {"uring": pane("auto", guest, kernel, work), "threads": pane("threads", guest, kernel, work),
               "QEMU io_uring": qemu("cache=writeback,aio=io_uring", guest, kernel, work),
               "QEMU threads": qemu("cache=writeback,aio=threads", guest, kernel, work)}
    if os.environ.get("IO_BENCH_CACHE") == "none":
        columns["QEMU none/native"] = qemu("cache=none,aio=native", guest, kernel, work)
    host_file(work)
    results = {name: [] for name in columns}
    try:
        for _ in range(ROUNDS):
            for name, command in columns.items():
                results[name].append(measure(command, work))
                print(f"  measured: {name}, {engine_of(work)}", flush=True)
    finally:
        shutil.rmtree(work)
    show({name: best(runs) for name, runs in results.items()})


def show(results):
    print(f"  {'':<28}" + "".join(f"{name:>18}" for name in results) + f"{'uring : QEMU':>16}{'threads : QEMU':>16}")
    for key in results["uring"]:
        rival = max(results[n][key][0] for n in ("QEMU io_uring", "QEMU threads"))
        ratio = [results[n][key][0] / rival for n in ("uring", "threads")]
        print(f"  {key:<28}" + "".join(f"{r[key][1]:>18}" for r in results.values()) + f"{ratio[0]:16.2f}{ratio[1]:16.2f}"
              + ("" if ratio[0] >= BAR else "   UNDER THE BAR"))


def beside(file, name, programs, what, prepare, measure, data_mib):
    """measure(folder) beside QEMU, after prepare(folder): here where KVM is hardware, else by calling file with the
    folder in a lab host of its own. What begins with NAME_BENCH_ in the environment goes along; NAME_BENCH_ICOUNT=1 has the
    lab's clock count instructions, so that a busy machine changes nothing."""
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        print(f"vmm {name} bench: skipped: not installed: {', '.join(missing)}")
        return
    kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
    guest = os.path.join(os.path.abspath(vm.BUILD), f"{name}-bench")
    os.makedirs(guest, exist_ok=True)
    prepare(guest)
    print(f"{what}; KVM: {kind}", flush=True)
    if kind == "hardware":
        measure(guest)
        return
    env = {"PYTHONPATH": f"{vm.SOURCE}/tests/lib:{HERE}", "PYTHONDONTWRITEBYTECODE": "1", "PANE_BUILD": os.path.abspath(vm.BUILD),
           "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           **{k: v for k, v in os.environ.items() if k.startswith(f"{name.upper()}_BENCH_")}}
    icount = ["--icount"] if os.environ.get(f"{name.upper()}_BENCH_ICOUNT") == "1" else []
    subprocess.run([f"{vm.SOURCE}/deploy/lab/lab", "run", *icount, "--data-mib", str(data_mib), "env", *[f"{k}={v}" for k, v in env.items()],
                    sys.executable, os.path.abspath(file), guest], check=False)


def main():
    if len(sys.argv) > 1:
        table(sys.argv[1])
        return
    if shutil.which("qemu-img") and os.environ.get("IO_BENCH_ONLY") != "guest":
        paces()
    beside(__file__, "io", ("fio", "qemu-system-x86_64", "busybox", "cpio"),
           f"disks, fio {SECONDS} s a row, {ROUNDS} rounds, file of {FILE_MIB} MiB in the page cache", make_guest, table, 2048)


if __name__ == "__main__":
    main()
