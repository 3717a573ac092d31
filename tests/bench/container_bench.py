# SPDX-License-Identifier: GPL-3.0-or-later
"""Container desktops beside plain Xvnc sessions of the same window manager and terminal on this machine: time from
start to ready, memory (PSS) and disk of an idle desktop, and how many there can be until a memory budget is used.
DESKTOPS=20 sets how many run at once, BUDGET_MIB=512 the budget, which a control group enforces: desktops are started until
one does not come up or another loses a process.

Memory is the sum of PSS over a desktop's processes: shared pages are divided among their users, as the machine
pays for them. Xvnc sessions run outside any image, with this machine's icewm and xterm when it has them, else those
of the image by chroot."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cell  # noqa: E402

COUNT = int(os.environ.get("DESKTOPS", "20"))
BUDGET_MIB = int(os.environ.get("BUDGET_MIB", "512"))
FIT_MAX = 100
SIZE = "1280x800"


def pss_mib(pid):
    total = 0
    for p in cell.tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def available_mib():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) / 1024


def disk_mib(folder):
    return sum(os.lstat(os.path.join(top, name)).st_blocks for top, _, names in os.walk(folder) for name in names) / 2048


def until(check, timeout=60):
    end = time.monotonic() + timeout
    while not check():
        if time.monotonic() > end:
            raise TimeoutError("not within the time")
        time.sleep(0.002)


def idle():
    """Waits until the machine has little to do, so that what is counted is a desktop at rest."""
    def busy():
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(word) for word in file.readline().split()[1:]]
        return sum(fields), fields[3] + fields[4]
    for _ in range(20):
        before = busy()
        time.sleep(0.5)
        after = busy()
        if (after[1] - before[1]) / max(1, after[0] - before[0]) > 0.8:
            return


class Xvnc:
    """A plain session: Xvnc, icewm, xterm of the image, in a chroot of it."""

    def __init__(self, root, number, before=None):
        self.children, self.before = [], before
        begin = time.monotonic()
        read, write = os.pipe()
        self.run([f"{SERVER}", f":{number}", "-geometry", SIZE, "-depth", "24", "-SecurityTypes", "None", "-rfbport", "-1",
                  "-rfbunixpath", f"/tmp/bench-xvnc-{os.getpid()}-{number}", "-displayfd", str(write)], pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as pipe:
            pipe.readline()
        env = {"DISPLAY": f":{number}", "HOME": "/tmp", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        for program in ("icewm", "xterm"):
            self.run(["/usr/sbin/chroot", "--userspec=1000:1000", root, program], env=env)
        until(lambda: b"window id" in subprocess.run(["xprop", "-display", f":{number}", "-root", "_NET_SUPPORTING_WM_CHECK"],
                                                     capture_output=True, check=False).stdout)
        self.ready_s = time.monotonic() - begin

    def run(self, argv, **more):
        self.children.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                              stdin=subprocess.DEVNULL, preexec_fn=self.before, **more))

    def pss(self):
        return sum(pss_mib(child.pid) for child in self.children)

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()


SERVER = shutil.which("Xvnc")


def mount(folder):
    root, tmp = f"{folder}/root", "/tmp/.X11-unix"
    os.makedirs(root, exist_ok=True)
    os.makedirs(tmp, exist_ok=True)
    subprocess.run(["mount", "-o", "loop,ro,noload", cell.image(), root], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{root}/tmp"], check=True)
    os.chmod(f"{root}/tmp", 0o1777)
    os.makedirs(f"{root}{tmp}")
    subprocess.run(["mount", "--bind", tmp, f"{root}{tmp}"], check=True)
    subprocess.run(["mount", "--bind", "/dev", f"{root}/dev"], check=True)
    subprocess.run(["mount", "--bind", "/dev/pts", f"{root}/dev/pts"], check=True)
    return root


def unmount(root):
    for path in ("/dev/pts", "/dev", "/tmp/.X11-unix", "/tmp", ""):
        subprocess.run(["umount", "-l", f"{root}{path}"], check=False)


def row(name, values):
    print(f"  {name:34}" + "".join(f"{value:>14}" for value in values), flush=True)


def run_cells(folder):
    cells, ready = [], []
    before = available_mib()
    try:
        for number in range(COUNT):
            home = f"{folder}/c{number}"
            os.makedirs(home)
            begin = time.monotonic()
            one = cell.Cell("--size", SIZE, folder=home, name=f"bench{os.getpid()}-{number}", memory=512, disk=1024)
            cells.append(one)
            one.ready()
            ready.append(time.monotonic() - begin)
        idle()
        pss = [pss_mib(one.process.pid) for one in cells]
        return ready, pss, before - available_mib(), [disk_mib(f"{folder}/c{n}") for n in range(COUNT)]
    finally:
        for one in cells:
            one.process.kill()
            one.process.wait()


def run_xvnc(folder):
    sessions, root = [], mount(folder)
    before = available_mib()
    try:
        for number in range(COUNT):
            sessions.append(Xvnc(root, 400 + number))
        idle()
        return [s.ready_s for s in sessions], [s.pss() for s in sessions], before - available_mib()
    finally:
        for session in sessions:
            session.end()
        unmount(root)


class Budget:
    """A control group with a limit for the memory of all that is in and below it."""

    def __init__(self, name):
        first = os.path.exists("/sys/fs/cgroup/memory/cgroup.procs")
        self.path = f"/sys/fs/cgroup/{'memory/' if first else ''}{name}"
        self.file = "memory.limit_in_bytes" if first else "memory.max"
        self.none = "-1" if first else "max"
        self.made = not os.path.exists(self.path)
        os.makedirs(self.path, exist_ok=True)
        self.busy = any(open(f"{entry.path}/cgroup.procs", encoding="ascii").read()
                        for entry in os.scandir(self.path) if entry.is_dir())

    def set(self, mib):
        with open(f"{self.path}/{self.file}", "w", encoding="ascii") as file:
            file.write(self.none if mib is None else str(int(mib) << 20))

    def join(self):
        with open(f"{self.path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def end(self):
        self.set(None)
        if self.made:
            try:
                os.rmdir(self.path)
            except OSError:  # what was killed is still going
                pass


def fit_cells(folder):
    """How many container desktops the budget holds. What runs beside their group (pane-cell, its X agent) is taken off it."""
    budget, cells = Budget("pane"), []
    if budget.busy:
        return "others run"
    try:
        while len(cells) < FIT_MAX:
            budget.set(BUDGET_MIB - sum(own_pss_mib(one.process.pid) for one in cells))
            home = f"{folder}/f{len(cells)}"
            os.makedirs(home)
            cells.append(cell.Cell("--size", SIZE, folder=home, name=f"fit{os.getpid()}-{len(cells)}", memory=512, disk=1024))
            try:
                cells[-1].ready(20)
                for one in cells:
                    one.inside()
            except (RuntimeError, LookupError, TimeoutError, OSError):
                return len(cells) - 1
        return f"over {FIT_MAX}"
    finally:
        for one in cells:
            one.process.kill()
            one.process.wait()
            subprocess.run([cell.PROGRAM, "--cleanup", one.name], check=False)
        budget.end()


def own_pss_mib(pid):
    """Of pane-cell and its X agent."""
    total = 0
    for p in [p for p in cell.tree(pid) if cell.comm(p) == "pane-cell"]:
        with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


def fit_xvnc(folder):
    """How many plain sessions it holds."""
    budget, sessions, root = Budget(f"bench{os.getpid()}"), [], mount(folder)
    try:
        budget.set(BUDGET_MIB)
        while len(sessions) < FIT_MAX:
            try:
                sessions.append(Xvnc(root, 500 + len(sessions), budget.join))
            except (TimeoutError, OSError):
                return len(sessions)
            if any(child.poll() is not None for one in sessions for child in one.children):
                return len(sessions) - 1
        return f"over {FIT_MAX}"
    finally:
        for session in sessions:
            session.end()
        unmount(root)
        budget.end()


def main():
    why = cell.why_not()
    if why:
        print(f"container bench: skipped: {why}")
        return
    folder = tempfile.mkdtemp(prefix="pane-bench-", dir=os.environ.get("BENCH_DIR"))
    try:
        ready, pss, used, disk = run_cells(folder)
        print(f"\nContainer desktops, {COUNT} at once, {SIZE}, beside plain Xvnc sessions")
        row("", ["container", "Xvnc"])
        plain = None
        if SERVER and shutil.which("xprop"):
            plain = run_xvnc(folder)
        else:
            print("  (no Xvnc or xprop: install tigervnc-standalone-server and x11-utils)")

        def pair(function):
            return [function(ready, pss, used)] + ([function(*plain)] if plain else [])
        row("start to ready, first [s]", pair(lambda r, p, u: f"{r[0]:.2f}"))
        row("start to ready, median [s]", pair(lambda r, p, u: f"{statistics.median(r):.2f}"))
        row("start to ready, slowest [s]", pair(lambda r, p, u: f"{max(r):.2f}"))
        row("PSS of an idle desktop [MiB]", pair(lambda r, p, u: f"{statistics.median(p):.1f}"))
        row("memory less available, each [MiB]", pair(lambda r, p, u: f"{u / COUNT:.1f}"))
        row(f"ready within {BUDGET_MIB} MiB", [fit_cells(folder)] + ([fit_xvnc(folder + "/x")] if plain else []))
        row("disk of an idle desktop [MiB]", [f"{statistics.median(disk):.1f}"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
