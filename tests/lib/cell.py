# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs pane-cell on a golden image, and plays the host agent and the display.

PANE_BUILD names the build directory, PANE_CELL_IMAGE the image's disk.raw (default: the one `make demo` built)."""
import glob
import json
import os
import struct
import subprocess
import tempfile
import time
import zlib

import vm

PROGRAM = os.path.join(vm.BUILD, "bin", "pane-cell")
IMAGES = [os.environ.get("PANE_CELL_IMAGE", ""), *sorted(glob.glob(os.path.join(vm.SOURCE, "run/images/*/disk.raw")))]


def image():
    """A golden image that has an X server for containers, or None."""
    for path in IMAGES:
        if path and os.path.exists(path) and b"Inode:" in subprocess.run(
                ["/sbin/debugfs", "-R", "stat /usr/bin/Xvfb", path], capture_output=True, check=False).stdout:
            return path
    return None


def why_not():
    """Why no container desktop can run here, or None."""
    if not os.path.exists(PROGRAM):
        return f"{PROGRAM} is not built"
    probe = json.loads(subprocess.run([PROGRAM, "--probe"], capture_output=True, check=True).stdout)
    if probe["cell"] == "none":
        return f"no containers here: {probe['why']}"
    if not image():
        return "no golden image with Xvfb: build one (make demo), or set PANE_CELL_IMAGE"
    return None


class Cell(vm.Vm):
    """One pane-cell with everything in a directory of its own."""
    session = "icewm"  # a process that is there as long as the session is

    def __init__(self, *more, name=None, folder=None, cpus=1, memory=768, disk=512, pids=400, net="none", prefix=()):
        self.folder = folder or tempfile.mkdtemp(prefix="pane-cell-")
        self.owns_folder = folder is None
        self.name = name or os.path.basename(self.folder).replace("_", "x")
        self.log = open(self.path("stderr"), "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*prefix, PROGRAM, "--name", self.name, "--root", image(), "--upper", self.path("upper"), "--home",
             self.path("home"), "--cpus", str(cpus), "--memory", str(memory), "--disk", str(disk), "--pids", str(pids),
             "--net", net, "--surface", self.path("surface.sock"), "--control", self.path("control.sock"),
             "--log", self.path("session.log"), "--state", self.path("state"), *more], stderr=self.log)
        self.control = None

    def close(self):
        killed = self.process.poll() is None
        super().close()
        if killed and not os.geteuid():
            subprocess.run([PROGRAM, "--cleanup", self.name], capture_output=True, check=False)

    def inside(self, name=None):
        """The host's number of the process inside with that name."""
        for pid in tree(self.process.pid):
            if comm(pid) == (name or self.session):
                return pid
        raise LookupError(f"no {name or self.session} in {[comm(p) for p in tree(self.process.pid)]}")

    def home_file(self, name, pid=None):
        """Where a file of the user's home is, seen from the host."""
        return f"/proc/{pid or self.inside()}/root/home/user/{name}"

    def wait_file(self, name, content=None, timeout=10):
        """Waits until the session has written a file in its home; its text."""
        end = time.monotonic() + timeout
        path = self.home_file(name)
        while True:
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
                if text and (content is None or content in text):
                    return text
            except FileNotFoundError:
                pass
            if time.monotonic() > end:
                raise TimeoutError(f"{name} did not appear in the home")
            time.sleep(0.005)

    def terminal(self):
        """A display connected to a desktop whose terminal takes keys."""
        self.ready()
        display = self.surface()
        display.wait(lambda: display.scanout)
        end = time.monotonic() + 60
        while "bash" not in [comm(p) for p in tree(self.process.pid)]:
            if time.monotonic() > end:
                raise TimeoutError("no terminal")
            time.sleep(0.01)
        quiet(display)
        return display

    def run(self, display, command, timeout=20):
        """Types a shell command into the terminal and waits for its end; what it printed."""
        self.count = getattr(self, "count", 0) + 1
        name = f"out{self.process.pid}.{self.count}"  # the home may be one that an earlier desktop used
        display.type(f"({command}) >{name}.new 2>&1; mv {name}.new {name}\n", pace_s=0.002)
        path = self.home_file(name)
        end = time.monotonic() + timeout
        while not os.path.exists(path):
            if time.monotonic() > end:
                raise TimeoutError(f"{command!r} did not end")
            display.receive(0.01)
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()


def quiet(display, still_s=0.3, timeout=8):
    """Waits until nothing was drawn for a while."""
    end = time.monotonic() + timeout
    while display.receive(still_s) and time.monotonic() < end:
        pass


def tree(pid):
    """pid and its descendants."""
    found = [pid]
    for parent in found:
        try:
            with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def count(name, *files):
    """A number that the kernel keeps for a desktop's control group: that of the first file there is, or of its line KEY as in
    FILE:KEY. None: this host does not count."""
    for file in files:
        file, _, key = file.partition(":")
        for top in ("/sys/fs/cgroup", *(f"/sys/fs/cgroup/{c}" for c in ("memory", "cpu", "pids"))):
            if os.path.exists(f"{top}/pane/{name}/{file}"):
                with open(f"{top}/pane/{name}/{file}", encoding="ascii") as lines:
                    words = lines.read().split()
                return int(words[words.index(key) + 1] if key else words[0])
    return None


def written(name):
    """Bytes that a desktop has written to its own disks, by the kernel's count for its control group. What it wrote to others,
    as its disks are files on one, is not counted twice. None: this host does not count."""
    for path in (f"/sys/fs/cgroup/pane/{name}/io.stat", f"/sys/fs/cgroup/blkio/pane/{name}/blkio.throttle.io_service_bytes_recursive"):
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                lines = [line.split() for line in file if line.startswith("7:")]  # loop devices
            return sum(int(word.partition("=")[2]) for line in lines for word in line if word.startswith("wbytes=")) + \
                sum(int(line[2]) for line in lines if line[1:2] == ["Write"])
    return None


def png(display, path):
    """What a display sees, as a file a person can look at."""
    width, height, stride, offset = display.scanout
    rows = bytearray()
    for y in range(height):
        row = display.map[offset + y * stride:offset + y * stride + width * 4]
        line = bytearray(width * 3)
        line[0::3], line[1::3], line[2::3] = row[2::4], row[1::4], row[0::4]
        rows += b"\0" + line

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(bytes(rows), 1)) + chunk(b"IEND", b""))


def as_user(pid, what):
    """Runs what() with the file-system ids of the process, as root of the host has none of the desktop's."""
    info = os.stat(f"/proc/{pid}")
    os.setegid(info.st_gid)
    os.seteuid(info.st_uid)
    try:
        return what()
    finally:
        os.seteuid(0)
        os.setegid(0)


def put(machine, name, data, mode=0o755):
    """Places a file in the user's home."""
    pid = machine.inside()
    home = os.open(machine.home_file("", pid), os.O_RDONLY | os.O_DIRECTORY)

    def write():
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode, dir_fd=home)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
    try:
        as_user(pid, write)
    finally:
        os.close(home)


def home_text(site, desktop, name):
    """A file of the home of the desktop's user, as the host sees it: through the desktop's mount namespace."""
    pid = site.process_of(desktop, "vmm")
    for inside in tree(pid) if pid else []:
        if comm(inside) == "icewm":
            try:
                with open(f"/proc/{inside}/root/home/user/{name}", encoding="utf-8") as file:
                    return file.read().strip()
            except OSError:
                return None
    return None
