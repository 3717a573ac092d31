# SPDX-License-Identifier: GPL-3.0-or-later
"""Unmodified guests in pane-vmm, one row each. Started by tests/lab/guests_test.py where KVM is hardware-like;
PANE_GUESTS=all runs the long ones as well, PANE_GUESTS=name,name those alone."""
import glob
import hashlib
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import apart
import grubdisk
import media
import reference
import scripts
import screen
import swtpm
import vm
import vmpc

WANTED = os.environ.get("PANE_GUESTS", "")
REFERENCE = os.environ.get("PANE_REFERENCE")  # pictures by reference.py
SHOTS = os.environ.get("PANE_SHOTS")          # folder for each row's last picture and serial lines
KERNELS = os.environ.get("PANE_KERNELS")      # packages by guests_test.py, unpacked
LEAST, BIG, MOST = 128, 5120, 65536  # MiB
TOUCHED = 4096  # MiB that a Linux of MOST touches, with room: its map of the pages is a 64th
LONG = 900  # seconds; the lab's clock may run ahead when its machine is busy
TIMER = "/sys/module/kvm/parameters/min_timer_period_us"


def says(text):
    return lambda picture: any(text in line for line in picture.text())


def chosen(test):
    return WANTED == "all" or test.__name__.removeprefix("test_") in WANTED.split(",")


def first(test):
    """A row that `make test` runs."""
    return test if not WANTED or chosen(test) else unittest.skip("not asked for")(test)


def row(test):
    """A row that `make test` does not run."""
    return test if chosen(test) else unittest.skip("a long row: PANE_GUESTS=all")(test)


class Seen:
    """A machine that remembers its display."""
    display = None

    def surface(self):
        self.display = self.display or super().surface()
        return self.display

    def follow(self, what):
        """Waits until what() holds, for as long as the machine runs."""
        end = time.monotonic() + LONG
        while not what():
            if time.monotonic() > end or self.process.poll() is not None:
                raise TimeoutError(f"not seen; the serial line says:\n{self.text('serial')}")
            time.sleep(0.05)


class Pc(Seen, vmpc.Pc):
    pass


class Vm(Seen, vm.Vm):
    pass


class Rows(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pane-rows-")
        self.addCleanup(folder.cleanup)
        self.folder, self.machines, self.begun = folder.name, [], time.monotonic()
        self.name = self._testMethodName.removeprefix("test_")
        for left in glob.glob(f"{SHOTS}/{self.name}.*") if SHOTS else ():
            os.unlink(left)

    def tearDown(self):
        name = self.name
        print(f"# {name}: {time.monotonic() - self.begun:.0f} s")
        for machine in self.machines if SHOTS else ():
            for kept in ("serial", "firmware", "stderr"):
                if os.path.exists(machine.path(kept)):
                    shutil.copy(machine.path(kept), f"{SHOTS}/{name}.{kept}")
            try:
                picture = screen.now(machine.display or machine.surface())
            except (OSError, EOFError, RuntimeError):
                continue  # it has ended
            if picture:
                picture.png(f"{SHOTS}/{name}.png")

    def path(self, name):
        return os.path.join(self.folder, name)

    def kept(self, machine):
        self.addCleanup(machine.close)
        self.machines.append(machine)
        return machine

    def start(self, firmware, *args, **kwargs):
        return self.kept(Pc(firmware, *args, **kwargs))

    def efi(self, *args, **kwargs):
        """UEFI. In the lab a firmware timer that ticks while its handler runs ends the emulator (tests/README.md)."""
        if os.environ.get("PANE_SLOW_TIMER"):
            with open(TIMER, "w", encoding="ascii") as file:
                file.write(os.environ["PANE_SLOW_TIMER"])
        return self.start("efi", "--firmware-vars", self.path("vars"), *args, **kwargs)

    @staticmethod
    def echoed(machine, text):
        """Types as fast as the serial line echoes: a firmware whose time goes slowly looks at its keyboard seldom."""
        for character in text:
            seen = machine.text("serial")
            machine.surface().type(character)
            machine.follow(lambda: machine.text("serial") != seen)

    def installer(self, **kwargs):
        disk = self.path("installer.raw")
        media.installer(disk, **kwargs)
        return self.start("bios", "--disk", f"raw={disk}", "--net", "user", memory=1024).surface()

    def as_in_qemu(self, display, name, most=0.002, **rectangle):
        """Waits until the screen is QEMU's, but for a share of pixels."""
        path = f"{REFERENCE}/{name}.ppm"
        if not REFERENCE or not os.path.exists(path):
            print(f"# {name}: no picture of QEMU's to compare with")
            return
        with open(path, "rb") as file:
            theirs = screen.Picture.of_ppm(file.read())
        screen.watch(display, lambda ours: ours.unlike(theirs, **rectangle) <= most, 60)

    # ---- kernels, booted directly ----------------------------------------------------------------

    def hello(self, kernel, release, machine="x86_64", memory=256):
        """A kernel with a small initramfs comes to user space and powers off."""
        media.initramfs(self.path("initrd"), scripts.HELLO)
        guest = self.kept(Vm("quiet console=ttyS0 panic=-1", "--initrd", self.path("initrd"), kernel=kernel, memory=memory))
        guest.serial("hello from", LONG)
        self.assertEqual(guest.wait(60), (0, {"code": 0, "reason": "poweroff"}))
        self.assertRegex(guest.text("serial"), rf"hello from {release}\S* {machine} on Pane")

    def initrd(self, script, *names, more=()):
        """An initramfs that loads these modules of the generic kernel and runs script; more files are in its root. Its path."""
        files = media.modules(os.path.basename(media.GENERIC).removeprefix("vmlinuz-"), *names)
        media.initramfs(self.path("initrd"), scripts.LOAD % " ".join(os.path.basename(f) for f in files) + script, [*files, *more])
        return self.path("initrd")

    def fetched(self, name):
        folder = f"{KERNELS}/{name}"
        if not KERNELS or not os.path.exists(folder):
            self.skipTest(f"no package {name}: there was no mirror to fetch it from")
        return folder

    def kernel_of(self, name):
        boot = f"{self.fetched(name)}/boot"
        return next(f"{boot}/{n}" for n in os.listdir(boot) if n.startswith("vmlinuz-"))

    @first
    def test_generic(self):
        """Debian 12's generic kernel, booted directly, comes to user space and reads whose machine it is"""
        self.hello(media.GENERIC, "6.1")

    @row
    def test_hyperv(self):
        """with --windows Linux finds KVM behind Hyper-V's leaves, and its clock ticks"""
        media.initramfs(self.path("initrd"), "busybox dmesg | busybox grep -i 'hypervisor detected'\nbusybox sleep 1\n"
                        "busybox cat /sys/devices/system/clocksource/clocksource0/available_clocksource\nbusybox poweroff -f\n")
        guest = self.kept(Vm("quiet console=ttyS0 panic=-1", "--windows", "--initrd", self.path("initrd"), kernel=media.GENERIC, memory=256))
        self.assertEqual(guest.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        self.assertIn("Hypervisor detected: KVM", guest.text("serial"))
        self.assertIn("kvm-clock", guest.text("serial"))

    @first
    def test_pvh(self):
        """the same kernel by its PVH entry, as an ELF file"""
        media.vmlinux(media.GENERIC, self.path("vmlinux"))
        self.hello(self.path("vmlinux"), "6.1")

    @row
    def test_cloud_kernel(self):
        """Debian 12's cloud kernel, booted directly"""
        self.hello(self.kernel_of("cloud"), "6.1")

    @row
    def test_backports(self):
        """the kernel of Debian 12's backports, booted directly"""
        self.hello(self.kernel_of("backports"), r"6\.(?!1\.)\d+")

    # ---- what a machine is made of -------------------------------------------------------------

    def linux(self, script, *names, machine=(), **kwargs):
        """The generic kernel with an initramfs that runs script."""
        return self.kept(Vm("quiet console=ttyS0 panic=-1", "--initrd", self.initrd(script, *names), *machine, kernel=media.GENERIC, **kwargs))

    def ends(self, guest):
        self.assertEqual(guest.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        return guest.text("serial")

    @first
    def test_net_pairs(self):
        """Linux on two processors uses the network card's two pairs of queues: each processor sends by its own and is answered by it"""
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        for here, there in pairs:
            self.addCleanup(here.close)
            os.set_inheritable(there.fileno(), True)
        popen, subprocess.Popen = subprocess.Popen, lambda *a, **k: popen(*a, close_fds=False, **k)
        try:
            guest = self.linux(scripts.PAIRS, "virtio_pci", "virtio_net", memory=256, machine=(
                "--cpus", "2", "--net", "fd=" + ":".join(str(there.fileno()) for _, there in pairs)))
        finally:
            subprocess.Popen = popen
        asked, lines = [0, 0], [here for here, _ in pairs]
        for _, there in pairs:
            there.close()
        while lines and guest.process.poll() is None:
            for here in select.select(lines, [], [], 1)[0]:
                frame = here.recv(2000)
                if not frame:
                    lines.remove(here)
                elif answer := scripts.pong(frame):
                    asked[[h for h, _ in pairs].index(here)] += 1
                    here.send(answer)
        text = self.ends(guest)
        self.assertIn("queues rx-0 rx-1 tx-0 tx-1 ", text)
        for number in (0, 1):
            self.assertIn(f"processor {number} answered", text)
            self.assertGreaterEqual(asked[number], 5)
            interrupts = re.search(rf"\n *\d+: +(\d+) +(\d+) .*virtio\d-input\.{number}\r?\n", text)
            self.assertGreaterEqual(sum(map(int, interrupts.groups())), 5)

    @row
    def test_hotplug(self):
        """Linux finds a disk and a network card that are plugged in while it runs, uses them, and lets them go, twice"""
        guest = self.linux(scripts.HOTPLUG, "virtio_pci", "virtio_blk", "virtio_net", memory=256)
        guest.serial("loaded\n", LONG)
        for times in (1, 2):
            with open(self.path("data"), "w+b") as file:
                file.write(b"written by the host\n")
                file.truncate(1 << 20)
                self.assertIn("ok", guest.plug(file, kind="disk", id="data"))
                guest.follow(lambda: guest.text("serial").count("disk data says written by the host\ndisk written\n") == times)
                self.assertEqual(os.pread(file.fileno(), 17, 0), b"written by Linux\n")
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with here, there:
                here.settimeout(LONG)
                self.assertIn("ok", guest.plug(there, kind="net", id="lan", mac="52:54:00:12:34:56"))
                while not (answer := scripts.pong(here.recv(2000))):
                    pass
                here.send(answer)
                guest.follow(lambda: guest.text("serial").count("card 52:54:00:12:34:56 answered\n") == times)
                self.assertEqual([p["state"] for p in guest.ask(op="plugged")["plugged"]], ["used", "used"])
                for name in ("data", "lan"):
                    self.assertEqual(guest.ask(op="unplug", id=name, timeout_ms=600000), {"ok": True})
                    self.assertEqual(guest.event("unplugged", LONG)["reason"], name)
            guest.follow(lambda: all(guest.text("serial").count(f"{what} gone\n") == times for what in ("disk", "card")))
        self.assertNotRegex(guest.text("serial"), "ACPI.*Error|Firmware Bug|WARNING")

    def peer(self, guest, word, text):
        """A stream of the machine's vsock after this word, once it was answered."""
        stream = guest.connect("vsock.sock")
        self.addCleanup(stream.close)
        stream.settimeout(LONG)
        stream.sendall(f"{word}\n".encode())
        self.assertRegex(self.line(stream), text)
        return stream

    @staticmethod
    def line(stream):
        said = b""
        while not said.endswith(b"\n"):
            byte = stream.recv(1)
            if not byte:
                break
            said += byte
        return said.decode()

    @row
    def test_vsock(self):
        """programs in Linux and here meet by AF_VSOCK, both ways, megabytes; after a restore they are told it is over"""
        subprocess.run(["gcc", "-O1", "-static", "-o", self.path("vsock_peer"), f"{vm.SOURCE}/tests/tools/vsock_peer.c"], check=True)
        script = self.initrd("/vsock_peer wait\nbusybox poweroff -f\n", "virtio_pci", "vmw_vsock_virtio_transport", more=[self.path("vsock_peer")])
        guest = self.kept(Vm("quiet console=ttyS0 panic=-1", "--initrd", script, "--vsock", "@/vsock.sock", kernel=media.GENERIC, memory=256))
        echo, last = self.peer(guest, "LISTEN 1024", "OK 1024\n"), self.peer(guest, "LISTEN 1025", "OK 1025\n")
        self.assertRegex(self.line(echo), r"ACCEPT \d+\n")
        content, back = os.urandom(2 << 20), b""
        sender = threading.Thread(target=lambda: (echo.sendall(content), echo.shutdown(socket.SHUT_WR)))
        sender.start()
        while part := echo.recv(1 << 16):
            back += part
        sender.join()
        self.assertEqual(hashlib.md5(back).hexdigest(), hashlib.md5(content).hexdigest())
        guest.serial("listening\n", LONG)
        called = self.peer(guest, "CONNECT 52", r"OK \d+\n")
        called.sendall(content[:100001])
        called.shutdown(socket.SHUT_WR)
        total = 0
        for byte in content[:100001]:
            total = (total * 31 + byte) & 0xffffffff
        self.assertEqual(self.line(called), f"got 100001 sum {total}\n")
        self.assertEqual(called.recv(1), b"")
        self.assertRegex(self.line(last), r"ACCEPT \d+\n")
        guest.serial("waiting\n", LONG)
        said = guest.text("serial")
        self.assertIn("cid 3\nport 9: Connection reset by peer\n", said)
        self.assertIn(f"echoed {len(content)}\nlistening\n", said)
        folder = guest.snapshot()
        guest.ask(op="quit")
        guest.wait(60)
        again = self.kept(Vm("", "--vsock", "@/vsock.sock", restore=folder, disk=guest.path("base.raw"), overlay=guest.path("overlay")))
        self.assertIn("then Connection reset by peer\n", self.ends(again))

    @row
    def test_smp16(self):
        """Linux has 16 processors, one package of as many cores, and runs on each"""
        guest = self.linux(scripts.PROCESSORS, machine=("--cpus", "16"), memory=512)
        said = self.ends(guest)
        self.assertIn("processors 16\n", said)
        self.assertEqual([int(n) for n in re.findall(r"ran on (\d+)", said)], list(range(16)))
        self.assertEqual(re.findall(r"core (\d+) of package (\d+)", said), [(str(n), "0") for n in range(16)])
        self.assertTrue(all(int(n) for n in re.search(r"LOC:((?:\s+\d+){16})", said).group(1).split()), said)

    def memory_of(self, mib):
        """A Linux of so much memory reads its disk; what it said, and how many pages of the zone that the top of its memory is in that took."""
        with open(self.path("disk"), "wb") as file:
            content = os.urandom(32 << 20)
            file.write(content)
        guest = self.linux(scripts.MEMORY, "virtio_pci", "virtio_blk", memory=mib, disk=self.path("disk"))
        said = self.ends(guest)
        self.assertIn(hashlib.md5(content).hexdigest(), said)
        before, after = (int(n) for n in re.findall(r"free (?:before|after) (\d+)", said))
        return said, before - after

    @row
    def test_big(self):
        """Linux uses memory above the PCI hole: what it reads from its disk lands there"""
        if scripts.available() < BIG:
            self.skipTest(f"this machine has {scripts.available()} MiB of memory left, the guest is to have {BIG}")
        said, used = self.memory_of(BIG)
        self.assertIn(scripts.top(BIG), said)
        self.assertGreater(used, 1024)  # pages; some come from below, so that pages of a kind lie together

    @row
    def test_most(self):
        """Linux has 64 GiB, the most there is, down to the last page, on a host that has what of it is touched"""
        if scripts.available() < TOUCHED:
            self.skipTest(f"this machine has {scripts.available()} MiB of memory left, the guest touches up to {TOUCHED}")
        why = apart.enter()
        if why:
            self.skipTest(why)
        with open(self.path("meminfo"), "w", encoding="ascii") as file:
            file.write("".join(f"{name}: {128 << 20} kB\n" for name in ("MemTotal", "MemFree", "MemAvailable")))
        subprocess.run(["mount", "--bind", self.path("meminfo"), "/proc/meminfo"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/proc/meminfo"], check=True)
        said, used = self.memory_of(MOST)
        self.assertIn(scripts.top(MOST), said)
        self.assertGreater(used, 1024)
        self.assertGreater(int(re.search(r"total (\d+) kB", said)[1]), (MOST << 10) * 0.97)  # the kernel's own map of it takes 1/64

    @row
    def test_least(self):
        """Linux comes up in 128 MiB, the least there is, and reads its disk"""
        said, _ = self.memory_of(LEAST)
        self.assertIn(f"-{(LEAST << 20) - 1:08x} : System RAM", said)

    @row
    def test_clocks(self):
        """Linux tells time by kvm-clock, is woken by the TSC deadline timer, and knows of the time that the host took from it"""
        features, deadline = scripts.kvm()
        if not features & scripts.STEAL_TIME:
            self.skipTest("this machine's KVM reports no steal time")
        everywhere = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, everywhere)
        os.sched_setaffinity(0, {min(everywhere)})  # two busy processors have one
        said = self.ends(self.linux(scripts.CLOCKS, machine=("--cpus", "2"), memory=256))
        self.assertRegex(said, r"stolen [1-9]")
        if features & scripts.CLOCKSOURCE2:
            self.assertRegex(said, r"clocks .*kvm-clock")
        if deadline:
            self.assertIn("Clock Event Device: lapic-deadline", said)

    # ---- SeaBIOS -------------------------------------------------------------------------------

    @staticmethod
    def memtest(display, size):
        """Its 25 lines are in the middle of a graphical screen, whose font draws some letters otherwise: a dot here."""
        counted = re.compile(rf".e.test86\+ .6.*.e.ory\s*:\s*{size}.B.*Status: .esting", re.S)

        def tests(picture):
            above = max(0, picture.height - 25 * screen.ROWS) // 2
            lines = picture.lines[above:above + 25 * screen.ROWS]
            return counted.search("\n".join(screen.Picture(picture.width, len(lines), lines).text()))
        screen.watch(display, tests, LONG)

    def memtest_bios(self, bits):
        self.memtest(self.start("bios", "--cdrom", media.MEMTEST.format(bits), memory=128).surface(), "12[78]")

    @first
    def test_memtest(self):
        """memtest86+, 64 bits, from its CD: counts the memory and begins to test it"""
        self.memtest_bios("x64")

    @row
    def test_memtest32(self):
        """memtest86+, 32 bits"""
        self.memtest_bios("ia32")

    @row
    def test_rescue(self):
        """GRUB's rescue CD: its menu, and by keyboard its command line, which sees the CD"""
        display = self.start("bios", "--cdrom", media.RESCUE.format("cdrom.iso")).surface()
        screen.watch(display, says("GNU/Hurd"), LONG)
        self.as_in_qemu(display, "rescue", height=reference.MENU)
        display.type("c")
        screen.watch(display, says("grub>"), LONG)
        display.type("ls\n", 0.1)
        screen.watch(display, says("(cd"), LONG)

    @row
    def test_floppy(self):
        """GRUB's rescue floppy, as a disk: its menu, and by keyboard its command line"""
        disk = self.path("floppy.raw")
        subprocess.run(["cp", media.RESCUE.format("floppy.img"), disk], check=True)
        display = self.start("bios", "--disk", f"raw={disk}").surface()
        screen.watch(display, says("GNU/Hurd"), LONG)
        self.as_in_qemu(display, "floppy", height=reference.MENU)
        display.type("c")
        screen.watch(display, says("grub>"), LONG)

    @row
    def test_ipxe(self):
        """iPXE boots from the network card and gets an address"""
        machine = self.start("bios", "--boot", "net", "--net", "user")
        screen.watch(machine.surface(), says("net0: 10.0.2.15"), LONG)

    @row
    def test_ipxe_cd(self):
        """iPXE from its own CD finds the network card"""
        machine = self.start("bios", "--cdrom", "/usr/lib/ipxe/ipxe.iso", "--net", "user")
        screen.watch(machine.surface(), says("net0: 52:54"), LONG)

    @row
    def test_screen(self):
        """Linux booted by SeaBIOS and GRUB takes the screen by its virtio-gpu, and is told the window's size"""
        self.initrd(scripts.SCREEN, "virtio_pci", "virtio_gpu")
        media.grub_linux(self.path("disk.raw"), media.GENERIC, self.path("initrd"), "quiet console=ttyS0")
        machine = self.start("bios", "--disk", f"raw={self.path('disk.raw')}")
        display = machine.surface()
        machine.serial("screen 1280x800", LONG)
        display.wait(lambda: display.scanout and display.scanout[:2] == (1280, 800), 60)
        display.send(36, struct.pack("<III", 1152, 720, 100))  # smaller: a text console tells of no mode larger than itself
        machine.serial("screen 1152x720", 60)

    # ---- OVMF ----------------------------------------------------------------------------------

    @row
    def test_shell(self):
        """OVMF: its shell on a 1280x800 screen obeys the keyboard, and its variables are kept"""
        machine = self.efi()
        display = machine.surface()
        machine.serial("startup.nsh", LONG)  # it waits for that file
        display.key(1, 1)
        display.key(1, 0)
        machine.serial("Shell>", LONG)
        display.wait(lambda: display.scanout and display.scanout[:2] == (1280, 800), 60)
        # Not the GUID of UEFI's own variables, among which no other name is taken (UEFI 2.10 §3.3).
        self.echoed(machine, "setvar Pane -guid 70616e65-0001-4001-8001-000000000001 -nv -bs =04\n")
        self.echoed(machine, "reset -s\n")
        self.assertEqual(machine.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        with open(self.path("vars"), "rb") as file:
            self.assertTrue("Pane".encode("utf-16-le") in file.read(), "the variable is not in the file")

    @row
    def test_memtest_efi(self):
        """memtest86+ as a UEFI program from its CD: counts the memory and begins to test it"""
        self.memtest(self.efi("--cdrom", media.MEMTEST.format("x64")).surface(), r"(4[89]|5[01?])[\d?]")

    @row
    def test_linux_efi(self):
        """OVMF boots Linux by its EFI stub, whose screen is the firmware's"""
        media.initramfs(self.path("initrd"), scripts.HELLO)
        grubdisk.fat(self.path("disk.raw"), 80, {"linux": media.GENERIC, "initrd": self.path("initrd")}, "")
        grubdisk.efi(self.path("disk.raw"), 1 << 20, "search --file --set=root /linux\nlinux /linux quiet console=ttyS0\ninitrd /initrd\nboot\n")
        machine = self.efi("--disk", f"raw={self.path('disk.raw')}")
        machine.serial("hello from", LONG)
        self.assertIn("on Pane", machine.text("serial"))
        self.assertEqual(machine.wait(60), (0, {"code": 0, "reason": "poweroff"}))

    # ---- Debian's installer -----------------------------------------------------------------------

    @row
    def test_installer(self):
        """Debian's installer, by GRUB from a disk: its first question, and the next one by keyboard"""
        display = self.installer()
        screen.watch(display, says("Select a language"), LONG)
        self.as_in_qemu(display, "installer")
        display.type("\n")
        screen.watch(display, says("Select your location"), LONG)

    @row
    def test_installer32(self):
        """the 32-bit installer: a 32-bit Linux"""
        display = self.installer(tree=f"{self.fetched('i386')}/usr/lib/debian-installer/images/12/i386")
        screen.watch(display, says("Select a language"), LONG)
        self.as_in_qemu(display, "installer32")

    @row
    def test_gtk(self):
        """the graphical installer: its first screen, and the next one by keyboard"""
        display = self.installer(kind="gtk", words=media.GRAPHICAL)
        screen.watch(display, media.asks, LONG)
        self.as_in_qemu(display, "gtk", most=0.02)
        before = screen.now(display)
        display.type("\n")
        screen.watch(display, lambda picture: picture.unlike(before) > 0.02, LONG)

    # ---- a whole disk --------------------------------------------------------------------------

    def cloud(self, start, shown):
        """A copy of the cloud-style disk with its own GRUB for BIOS and UEFI, whose menu waits, to the login prompt."""
        source = os.environ.get("PANE_CLOUD_DISK")
        if not source or not os.path.exists(source):
            self.skipTest("PANE_CLOUD_DISK names no disk made by tests/vmm/image/cloudimage.py")
        disk = self.path("cloud.raw")
        media.cloud(disk, source)
        machine = start("--disk", f"raw={disk}", "--net", "user", memory=768)
        shown(machine)
        machine.surface().type("\n")
        machine.serial("login:", LONG)
        screen.watch(machine.surface(), says("login:"), LONG)

    def menu(self, machine):
        screen.watch(machine.surface(), says("*Debian GNU/Linux"), LONG)
        self.as_in_qemu(machine.surface(), self.name)

    @row
    def test_cloud_bios(self):
        """a cloud-style Debian disk boots through its own GRUB under SeaBIOS"""
        self.cloud(lambda *args, **kwargs: self.start("bios", *args, **kwargs), self.menu)

    @row
    def test_cloud_efi(self):
        """the same disk boots through its own GRUB under OVMF"""
        self.cloud(self.efi, lambda machine: machine.serial("Debian GNU/Linux", LONG))

    # ---- SATA and a TPM ------------------------------------------------------------------------

    def copies(self, bus, disk, *drivers):
        """Linux copies within a disk on that bus; what it said."""
        release = os.path.basename(media.GENERIC).removeprefix("vmlinuz-")
        files = media.modules(release, *drivers)
        script = scripts.COPIES.replace("MODULES", " ".join(os.path.basename(f) for f in files)).replace("DISK", disk)
        media.initramfs(self.path("initrd"), script, files)
        data = os.urandom(4 << 20)
        with open(self.path("disk.raw"), "wb") as file:
            file.write(data)
            file.truncate(64 << 20)
        guest = self.kept(Vm("quiet console=ttyS0 panic=-1", "--disk-bus", bus, "--initrd", self.path("initrd"), kernel=media.GENERIC,
                             memory=256, disk_option=f"raw={self.path('disk.raw')}"))
        self.assertEqual(guest.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        self.assertNotRegex(guest.text("serial"), "(?i)exception|failed command|i/o error|timeout")
        with open(self.path("disk.raw"), "rb") as file:
            self.assertTrue(file.read(20 << 20) == data * 5, "the copies are not those of the guest")
        return guest.text("serial")

    @row
    def test_sata(self):
        """Linux finds a SATA disk with a queue, copies within it by several at once, flushes, trims, reads it back"""
        self.assertRegex(self.copies("ahci", "sda", "ahci", "sd_mod"), r"disk PANE DISK +same\n")

    @row
    def test_nvme(self):
        """the same with an NVMe disk"""
        self.assertRegex(self.copies("nvme", "nvme0n1", "nvme"), r"disk PANE DISK +same\n")

    @row
    def test_tpm(self):
        """Linux finds the TPM, reads its registers and gets random numbers"""
        media.initramfs(self.path("initrd"), scripts.TPM)
        guest = self.kept(Vm("quiet console=ttyS0 panic=-1", "--tpm", swtpm.Swtpm(self).socket, "--initrd", self.path("initrd"),
                             kernel=media.GENERIC, memory=256))
        self.assertEqual(guest.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        self.assertRegex(guest.text("serial"), r"tpm 2 0{64} 0{64}\n.*80 01 00 00 00 1c 00 00  00 00 00 10 (?!00 00 00 00)")

    @row
    def test_tpm_efi(self):
        """OVMF boots Linux from a SATA disk, and has measured itself and what it boots"""
        media.initramfs(self.path("initrd"), scripts.TPM)
        grubdisk.fat(self.path("disk.raw"), 80, {"linux": media.GENERIC, "initrd": self.path("initrd")}, "")
        grubdisk.efi(self.path("disk.raw"), 1 << 20, "search --file --set=root /linux\nlinux /linux quiet console=ttyS0\ninitrd /initrd\nboot\n")
        machine = self.efi("--disk-bus", "ahci", "--disk", f"raw={self.path('disk.raw')}", "--tpm", swtpm.Swtpm(self).socket)
        self.assertEqual(machine.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        self.assertRegex(machine.text("serial"), r"tpm 2 (?!0{64})[0-9A-F]{64} (?!0{64})[0-9A-F]{64}\n")
