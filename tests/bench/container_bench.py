# SPDX-License-Identifier: GPL-3.0-or-later
"""Container desktops beside plain Xvnc sessions with the same session program, on this machine in one run: time to the first
frame and to a window manager, memory and disk of an idle desktop, and how many a memory budget holds.
DESKTOPS=20 sets how many run at once, BUDGET_MIB=2048 the budget.

Memory is counted three times. PSS is the sum over a desktop's processes, shared pages divided among their users. What the
kernel charges is the control group's count of anonymous, tmpfs and kernel memory, which misses shared file pages and has
kernel objects. The budget is a control group that holds everything a desktop brings about, pane-cell and page cache
included: desktops are started in it until one does not come up or another loses a process. So nothing else on the machine
is in danger, and what the whole machine holds is that number in proportion, which the last line says.

An Xvnc session is Xvnc and /usr/lib/desktop/session of the image in a chroot: no namespaces, limits, disks or filter.
Xvnc comes with GLX, container desktops have it where it is asked for (--glx): so it is measured both ways."""
import ctypes
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cell  # noqa: E402

COUNT = int(os.environ.get("DESKTOPS", "20"))
BUDGET_MIB = int(os.environ.get("BUDGET_MIB", "2048"))
FIT_MAX = 500
SIZE = "1280x800"
SERVER = shutil.which("Xvnc")
LIVING = ("icewm", "icewm-session", "xterm", "Xvfb", "Xvnc", "Xtigervnc")  # what a desktop at rest consists of
V1 = os.path.exists("/sys/fs/cgroup/memory/cgroup.procs")
TOP = "/sys/fs/cgroup/memory" if V1 else "/sys/fs/cgroup"


def pss_mib(pid):
    total = 0
    for p in cell.tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def meminfo_mib(what):
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what + ":")) / 1024


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


# ---- a budget -----------------------------------------------------------------------------------------------------------------
class Budget:
    """A control group with a limit for the memory of all that is in and below it. In this process's mount namespace it is shown
    in the place of the machine's own, so that pane-cell makes its desktops' groups below it."""

    def __init__(self, mib):
        self.path = f"{HIDDEN}/bench{os.getpid()}"
        os.mkdir(self.path)
        self.outer = self.path if V1 else f"{self.path}/outer"  # version 2: a group that shares out has no processes itself
        if not V1:
            with open(f"{HIDDEN}/cgroup.subtree_control", "w", encoding="ascii") as file:
                file.write("+memory +pids")
            os.mkdir(self.outer)
        with open(f"{self.path}/memory.{'limit_in_bytes' if V1 else 'max'}", "w", encoding="ascii") as file:
            file.write(str(mib << 20))
        subprocess.run(["mount", "--bind", self.path, TOP], check=True)

    def charged_mib(self):
        """Anonymous, tmpfs and kernel memory of all in it."""
        with open(f"{self.path}/memory.stat", encoding="ascii") as file:
            stat = {key: int(value) for key, value in (line.split() for line in file)}
        if not V1:
            return (stat["anon"] + stat["shmem"] + stat.get("kernel", 0)) / (1 << 20)
        with open(f"{self.path}/memory.kmem.usage_in_bytes", encoding="ascii") as file:
            return (stat["total_rss"] + stat["total_shmem"] + int(file.read())) / (1 << 20)

    def end(self):
        subprocess.run(["umount", "-l", TOP], check=True)
        for path in (f"{self.path}/pane", self.outer, self.path):
            for _ in range(100):  # what was killed is still going
                try:
                    os.rmdir(path)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.1)


def own_mounts(folder):
    """A mount namespace of this process's own, and the machine's control groups at another place in it."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rslave", "/"], check=True)
    hidden = f"{folder}/cgroup"
    os.mkdir(hidden)
    subprocess.run(["mount", "--bind", TOP, hidden], check=True)
    return hidden


# ---- the two kinds ------------------------------------------------------------------------------------------------------------
class Desktop:
    """What both kinds have: pids of the processes that make it up, once it is ready."""

    def __init__(self, *where):
        try:
            self.start(*where)
            self.settle()
        except BaseException:
            self.end()
            raise

    def settle(self):
        def there():
            self.parts = {cell.comm(p): p for p in self.tree() if cell.comm(p) in LIVING}
            return len(self.parts) == 4
        until(there, 30)

    def lives(self):
        return all(cell.comm(pid) == name for name, pid in self.parts.items())

    def pss(self):
        return sum(pss_mib(pid) for pid in self.pids())

    def tree(self):
        return [p for pid in self.pids() for p in cell.tree(pid)]


class Pane(Desktop):
    def start(self, folder, number, budget=None):
        self.folder = f"{folder}/c{number}"
        os.makedirs(self.folder)
        begin = time.monotonic()
        self.cell = cell.Cell("--size", SIZE, folder=self.folder, name=f"bench{os.getpid()}-{number}", memory=512, disk=1024,
                              prefix=joined(budget))
        display = self.cell.surface()
        display.wait(lambda: display.scanout and display.damage, 30)
        self.frame_s = time.monotonic() - begin
        display.close()
        self.cell.ready(30)
        self.ready_s = time.monotonic() - begin

    def pids(self):
        return [self.cell.process.pid]

    def end(self):
        self.cell.process.kill()
        self.cell.process.wait()
        subprocess.run([cell.PROGRAM, "--cleanup", self.cell.name], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def joined(budget):
    """Words before a command that put it into the budget."""
    return ["sh", "-c", f'echo $$ >{budget.outer}/cgroup.procs; exec "$@"', "sh"] if budget else []


class Xvnc(Desktop):
    more = []

    def start(self, root, number, budget=None):
        self.children = []
        self.socket = f"/tmp/bench-xvnc-{os.getpid()}-{number}"
        home = f"/tmp/{type(self).__name__}{number}"
        subprocess.run(["cp", "-dR", f"{root}/etc/skel", root + home], check=True)
        subprocess.run(["chown", "-R", "1000:1000", root + home], check=True)
        begin = time.monotonic()
        read, write = os.pipe()
        self.run([*joined(budget), SERVER, f":{number}", "-geometry", SIZE, "-depth", "24", "-SecurityTypes", "None", "-rfbport", "-1",
                  "-rfbunixpath", self.socket, "-displayfd", str(write), *self.more], pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as pipe:
            pipe.readline()
        self.first_frame()
        self.frame_s = time.monotonic() - begin
        env = {"DISPLAY": f":{number}", "HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": home}
        self.run([*joined(budget), "/usr/sbin/chroot", "--userspec=1000:1000", root, "dbus-run-session", "--", "/usr/lib/desktop/session"],
                 env=env, cwd="/")
        until(lambda: b"window id" in subprocess.run(["xprop", "-display", f":{number}", "-root", "_NET_SUPPORTING_WM_CHECK"],
                                                     capture_output=True, check=False).stdout, 30)
        self.ready_s = time.monotonic() - begin

    def first_frame(self):
        """Connects as a viewer and waits for the first picture (RFC 6143 §7.1 to §7.6)."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.socket)
            with s.makefile("rb") as f:
                s.sendall(f.read(12))
                f.read(f.read(1)[0])
                s.sendall(b"\1")
                f.read(4)
                s.sendall(b"\1")
                f.read(struct.unpack(">20xI", f.read(24))[0])
                width, height = (int(word) for word in SIZE.split("x"))
                s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
                f.read(4)

    def run(self, argv, **more):
        self.children.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                              stdin=subprocess.DEVNULL, **more))

    def pids(self):
        return [child.pid for child in self.children]

    def end(self):
        for pid in reversed(self.tree()):
            try:
                os.kill(pid, signal.SIGTERM if pid == self.children[0].pid else signal.SIGKILL)  # the server removes its files
            except ProcessLookupError:
                pass
        for child in self.children:
            child.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)


class XvncWithoutGlx(Xvnc):
    more = ["-extension", "GLX"]


def mount(root):
    """The image as a plain system: writable /tmp, the machine's devices and processes."""
    os.makedirs(root)
    tmp = "/tmp/.X11-unix"
    os.makedirs(tmp, exist_ok=True)
    subprocess.run(["mount", "-o", "loop,ro,noload", cell.image(), root], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{root}/tmp"], check=True)
    os.makedirs(f"{root}{tmp}")
    for path in (tmp, "/dev", "/dev/pts", "/proc"):
        subprocess.run(["mount", "--bind", path, f"{root}{path}"], check=True)


# ---- measuring ----------------------------------------------------------------------------------------------------------------
def end_all(desktops):
    for one in desktops:
        one.end()


def at_once(make, where):
    """COUNT of them: times to first frame and ready, PSS, what the machine has less, disk."""
    budget, desktops = Budget(COUNT * 256), []
    try:
        for number in range(COUNT):
            desktops.append(make(where, 400 + number, budget))
        idle()
        return {"frame": [d.frame_s for d in desktops], "ready": [d.ready_s for d in desktops],
                "pss": [d.pss() for d in desktops], "charged": budget.charged_mib() / COUNT,
                "disk": [disk_mib(d.folder) for d in desktops if isinstance(d, Pane)]}
    finally:
        end_all(desktops)
        budget.end()


def fit(make, where):
    """How many the budget holds; None: more than were tried."""
    budget, desktops = Budget(BUDGET_MIB), []
    try:
        while len(desktops) < FIT_MAX:
            try:
                desktops.append(make(where, 1000 + len(desktops), budget))
            except (RuntimeError, LookupError, TimeoutError, OSError) as why:
                print(f"  ({make.__name__}: number {len(desktops) + 1} did not come up: {why})", flush=True)
                return len(desktops)
            if not all(one.lives() for one in desktops):
                print(f"  ({make.__name__}: with number {len(desktops)} another lost a process)", flush=True)
                return len(desktops) - 1
        return None
    finally:
        end_all(desktops)
        kill_rest(budget)
        budget.end()


def kill_rest(budget):
    """What a start that failed left in the budget."""
    for folder, _, files in os.walk(budget.path):
        for pid in open(f"{folder}/cgroup.procs", encoding="ascii").read().split() if "cgroup.procs" in files else []:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass


def row(name, values):
    print(f"  {name:40}" + "".join(f"{value:>12}" for value in values), flush=True)


def show(found, fits):
    row("", ["container", "Xvnc", "(ratio)", "without GLX", "(ratio)"])

    def ratios(values, form):
        return [format(values[0], form), *(text for v in values[1:] for text in (format(v, form), f"{values[0] / v:.2f}"))]

    def line(name, of, form):
        row(name, ratios([of(f) for f in found], form))
    line("start to first frame, median [s]", lambda f: statistics.median(f["frame"]), ".2f")
    line("start to window manager, median [s]", lambda f: statistics.median(f["ready"]), ".2f")
    line("start to window manager, slowest [s]", lambda f: max(f["ready"]), ".2f")
    line("PSS of an idle desktop, median [MiB]", lambda f: statistics.median(f["pss"]), ".1f")
    line("charged by the kernel, each [MiB]", lambda f: f["charged"], ".1f")
    row("disk of an idle desktop, median [MiB]", [f"{statistics.median(found[0]['disk']):.1f}"])
    if all(fits):
        row(f"desktops in {BUDGET_MIB} MiB", ratios(fits, "d"))
        whole = meminfo_mib("MemTotal")
        row(f"so in this machine's {whole:.0f} MiB, about", ratios([int(n * whole / BUDGET_MIB) for n in fits], "d"))
        print(f"  (not tried: the number in {BUDGET_MIB} MiB in proportion)")
    else:
        row(f"desktops in {BUDGET_MIB} MiB", [n or f"over {FIT_MAX}" for n in fits])


def main():
    why = cell.why_not() or ("only root can set a budget" if os.geteuid() else None)
    if why:
        print(f"container bench: skipped: {why}")
        return
    kinds = [Pane]
    if SERVER and shutil.which("xprop"):
        kinds += [Xvnc, XvncWithoutGlx]
    else:
        print("  (no Xvnc or xprop: install tigervnc-standalone-server and x11-utils)")
    folder = tempfile.mkdtemp(prefix="pane-bench-", dir=os.environ.get("BENCH_DIR"))
    try:
        global HIDDEN
        HIDDEN = own_mounts(folder)
        places = [folder, f"{folder}/root", f"{folder}/root"][:len(kinds)]
        if len(kinds) > 1:
            mount(places[1])
        print(f"\nContainer desktops, {COUNT} at once, {SIZE}, beside plain Xvnc sessions of the same session program")
        for kind, place in zip(kinds, places):  # what is in the page cache from the first is there for all
            kind(place, 399).end()
        found = [at_once(kind, place) for kind, place in zip(kinds, places)]
        show(found, [fit(kind, place) for kind, place in zip(kinds, places)])
    finally:
        subprocess.run(["umount", "-l", f"{folder}/root", f"{folder}/cgroup"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


HIDDEN = None

if __name__ == "__main__":
    main()
