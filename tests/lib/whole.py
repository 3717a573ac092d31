# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole Pane for stories: real PostgreSQL, broker, gateway, host agent, VMM, display and clients.

`card_site()` runs the test card of tests/guest on this machine's own KVM (a desktop in half a second, whatever
kind of KVM it is); `cell_site()` containers of the golden image, without KVM; `debian_site()` the golden image, in the lab
where KVM here is not hardware. All are the site of deploy/demolib, so stories test what the demo starts."""
import http.client
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{TOP}/deploy")

import cell  # noqa: E402
import vm  # noqa: E402
from demolib.process import is_alive, read_json  # noqa: E402
from demolib.site import Site, SiteError, probe, wait_until  # noqa: E402

BUILD = os.path.abspath(os.environ.get("BUILD", f"{TOP}/build/release"))
__all__ = ["BUILD", "TOP", "Screen", "SiteError", "Whole", "card_site", "cell_site", "debian_site", "probe", "wait_until"]


class Whole(Site):
    """A site with an administrator's API, made in a temporary directory and removed with everything in it."""

    def __init__(self, **more):
        run = tempfile.mkdtemp(prefix="pw-")
        os.chmod(run, 0o755)
        super().__init__(run, BUILD, **more)
        self.policy = {"reconcile_ms": 100}
        self.stop_words, self.tied = ["--now"], True
        self.desktops = {"image": "card", "isolation": "vm", "memory_mib": 128} # what pools make unless a story says
        self.admin = self.pane_env = None

    def up(self):
        try:
            self.prepare()
            self.start_control()
            self.admin = self.api().login("admin", self.make_admin())
            if self.lab:
                self.start_lab()
            self.enroll_host(self.admin)
            self.start_host()
            self.wait(lambda: self.admin.items("/hosts")[0]["state"] == "online", 60, "the host's first report")
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        self.fetch_lab_logs()
        self.stop()
        self.keep_logs()
        self.destroy()

    def fetch_lab_logs(self):
        """Desktops' logs from the lab host, while it lives, to where the others are."""
        if not self.lab or not os.path.isdir(f"{self.lab_dir}/share"):
            return
        copy = ("cd /lab/data/host/desktops && for d in *; do for l in serial vmm display; do "
                "[ ! -e $d/$l.log ] || cp $d/$l.log /lab/share/$d.$l.log; done; done")
        try:
            subprocess.run(self.in_lab(copy, wait_s=0), check=False, timeout=20, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            print("# the lab host does not answer any more: its emulator has hung", flush=True)
            return
        for name in os.listdir(f"{self.lab_dir}/share"):
            shutil.copy(f"{self.lab_dir}/share/{name}", self.logs)

    def keep_logs(self):
        """Where a failed story can be read afterwards; the runner's log names the directory."""
        target = f"{TOP}/build/test-logs/{os.path.basename(sys.argv[1] if len(sys.argv) > 1 else 'story')}.d"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.logs, target, dirs_exist_ok=True)
        for name in self.desktop_dirs():
            for log in ("serial.log", "vmm.log", "cell.log", "session.log", "display.log"):
                if os.path.exists(f"{self.run}/host/desktops/{name}/{log}"):
                    shutil.copy(f"{self.run}/host/desktops/{name}/{log}", f"{target}/{name}.{log}")

    def desktop_dirs(self):
        try:
            return os.listdir(f"{self.run}/host/desktops")
        except OSError:
            return []

    # ---- people, pools, desktops ----------------------------------------------------------------
    def pool(self, name="office", **more):
        body = {"name": name, "cpus": 1, "size_max": 4, "spare": 1, "assignment": "dedicated", **self.desktops, **more}
        return self.admin.post("/pools", body)

    def user(self, name, *pools):
        word = self.admin.post("/users", {"name": name, "role": "user"})["password"]
        for pool in pools or ("office",):
            self.admin.post(f"/pools/{pool}/entitlements", {"user": name})
        return word

    def desktop(self, name):
        return next((d for d in self.admin.items("/desktops") if d["name"] == name), None)

    def desktop_of(self, user):
        return next((d for d in self.admin.items("/desktops") if d["user"] == user), None)

    def wait_state(self, name, *states, timeout=30):
        def check():
            found = self.desktop(name)
            return found if found and found["state"] in states else None
        return self.wait(check, timeout, f"desktop {name} {' or '.join(states)}")

    def wait_ready(self, count=1, timeout=30):
        def check():
            ready = [d for d in self.admin.items("/desktops") if d["state"] == "ready"]
            return ready if len(ready) >= count else None
        return self.wait(check, timeout, f"{count} desktops ready")

    def wait_session(self, user, state, timeout=20):
        def check():
            found = self.desktop_of(user)
            return found if found and found["session"] == state else None
        return self.wait(check, timeout, f"session of {user} {state}")

    def serial(self, desktop):
        """What the guest of a desktop has printed on its serial console so far."""
        path = f"desktops/{desktop['id']}/serial.log"
        if self.lab:
            return subprocess.run(self.in_lab("cat", f"/lab/data/host/{path}"), stdout=subprocess.PIPE, check=False,
                                  stdin=subprocess.DEVNULL).stdout.decode(errors="replace")
        try:
            with open(f"{self.run}/host/{path}", encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def process_of(self, desktop, role):
        """The pid of a desktop's "vmm" or "display" on this machine's host, None while it has none."""
        entry = read_json(f"{self.run}/host/desktops/{desktop['id']}/state.json", {}).get(role)
        return entry["pid"] if is_alive(entry) else None

    # ---- the command line -----------------------------------------------------------------------
    def pane_login(self, name="second"):
        """An administrator of its own is logged in with `pane`, whose state lies in this site. Once is enough."""
        if os.path.exists(f"{self.run}/cli"):
            return
        self.pane_env = dict(os.environ, XDG_CONFIG_HOME=f"{self.run}/cli")
        os.makedirs(f"{self.run}/cli")
        self.pane("login", "--server", f"https://127.0.0.1:{self.ports['https']}", "--ca", f"{self.pki}/ca.crt", name,
                  "--password-stdin", text=self.make_admin(name) + "\n")

    def pane(self, *words, text=None, status=0):
        """`pane` with these words: what it says when it ends with 0, its complaint when with another status."""
        done = subprocess.run([self.program("pane"), *words], input=text, capture_output=True, text=True,
                              env=self.pane_env, check=False)
        if done.returncode != status:
            raise AssertionError(f"pane {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stderr

    def put(self, path, data):
        """A piece of an upload, as bytes, by the administrator."""
        link = http.client.HTTPSConnection(self.admin.host, self.admin.port, context=self.admin.tls)
        link.request("PUT", "/api/v1" + path, data, {"Authorization": f"Bearer {self.admin.token}"})
        answer = link.getresponse()
        if answer.status != 200:
            raise AssertionError(f"PUT {path}: {answer.status} {answer.read()[:300]}")
        link.close()

    # ---- clients ------------------------------------------------------------------------------
    def xfreerdp(self, screen, user, password, *more):
        return screen.run(["xfreerdp3", f"/v:127.0.0.1:{self.ports['rdp']}", f"/u:{user}", f"/p:{password}",
                           "/cert:ignore", "/log-level:WARN", "-clipboard", *more], "xfreerdp3")

    def vncviewer(self, screen, user, password):
        return screen.run(["xtigervncviewer", "-SecurityTypes", "X509Plain", "-X509CA", f"{self.pki}/ca.crt",
                           "-ReconnectOnError=0", "-AlertOnFatalError=0", "-RemoteResize=0",
                           f"127.0.0.1::{self.ports['rfb']}"], "vncviewer",
                          {"VNC_USERNAME": user, "VNC_PASSWORD": password})

    def thin(self, screen, user, password, *more):
        return screen.run([self.program("pane-thin"), "--server", f"https://127.0.0.1:{self.ports['https']}",
                           "--ca", f"{self.pki}/ca.crt", "--rdp-port", str(self.ports["rdp"]), "--user", user,
                           "--password-stdin", "--auto", "--fullscreen", *more], "pane-thin",
                          {"GSK_RENDERER": "cairo"}, password + "\n")


class Screen:
    """An X server of its own with one client in it: types as a person would, and takes pictures."""

    def __init__(self, folder, size="1024x768"):
        self.folder = folder
        self.children = []
        read, write = os.pipe()
        self.server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size}x24", "-noreset",
                                        "-nolisten", "tcp"], pass_fds=[write], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise SiteError("Xvfb did not start")
        self.env = dict(os.environ, DISPLAY=f":{number}", HOME=folder, XDG_RUNTIME_DIR=folder,
                        XDG_CONFIG_HOME=f"{folder}/config", NO_AT_BRIDGE="1")
        self.count = 0

    def run(self, argv, name, env=None, stdin=None):
        with open(f"{self.folder}/log/{name}.log" if os.path.isdir(f"{self.folder}/log") else
                  f"{self.folder}/{name}.log", "ab") as log:
            child = subprocess.Popen(argv, env=dict(self.env, **(env or {})), stdin=subprocess.PIPE, stdout=log,
                                     stderr=log)
        if stdin:
            child.stdin.write(stdin.encode())
        child.stdin.close()
        self.children.append(child)
        return child

    def xdo(self, *words):
        return subprocess.run(["xdotool", *words], env=self.env, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout.strip()

    def focus(self):
        """There is no window manager here: gives the keyboard to the largest visible window."""
        windows = self.xdo("search", "--onlyvisible", "--name", "").split()

        def area(window):
            place = dict(line.split("=") for line in self.xdo("getwindowgeometry", "--shell", window).splitlines()
                         if "=" in line)
            return int(place.get("WIDTH", 0)) * int(place.get("HEIGHT", 0))
        if windows:
            best = max(windows, key=area)
            self.xdo("windowfocus", best)
            self.xdo("mousemove", "--window", best, "200", "200")

    def type(self, text, delay_ms=40):
        self.focus()
        self.xdo("type", "--delay", str(delay_ms), text.rstrip("\n"))
        if text.endswith("\n"):
            self.xdo("key", "Return")

    def shot(self, name=None):
        """A picture of the screen as a PNG file; its path."""
        self.count += 1
        path = f"{self.folder}/{name or f'shot{self.count}'}.png"
        subprocess.run(["import", "-window", "root", path], env=self.env, check=True)
        return path

    def colours(self):
        path = self.shot("probe")
        return int(subprocess.run(["identify", "-format", "%k", path], stdout=subprocess.PIPE, check=True).stdout)

    def wait_picture(self, colours=4, timeout=30):
        wait_until(lambda: self.colours() >= colours, timeout, "a picture in the client's window")

    def share(self, rgb, near=12):
        """How much of the screen (0 to 1) has about this colour."""
        raw = subprocess.run(["convert", self.shot("probe"), "-sample", "80x50!", "-depth", "8", "rgb:-"],
                             stdout=subprocess.PIPE, check=True).stdout
        hits = sum(all(abs(raw[i + c] - rgb[c]) <= near for c in range(3)) for i in range(0, len(raw), 3))
        return hits * 3 / len(raw)

    def wait_share(self, rgb, share, timeout, what):
        wait_until(lambda: self.share(rgb) >= share, timeout, what)

    def close(self, child, timeout=10):
        child.terminate()
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def end(self):
        for child in self.children:
            if child.poll() is None:
                self.close(child)
        self.server.terminate()
        self.server.wait()


def different(a, b, fuzz="8%"):
    """How many pixels of two pictures differ."""
    done = subprocess.run(["compare", "-metric", "AE", "-fuzz", fuzz, a, b, "null:"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    return int(float(done.stderr.split()[0]))


def word():
    """A word nobody has typed before: letters only, so that any keyboard layout writes it."""
    return "".join(secrets.choice("bcdfghjklmnprstvw") + secrets.choice("aeiou") for _ in range(5))


def make_card_image(folder):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(f"{BUILD}/guest/card", f"{folder}/vmlinuz")
    with open(f"{folder}/disk.raw", "wb") as disk:
        disk.truncate(4 << 20)
    with open(f"{folder}/image.json", "w", encoding="ascii") as file:
        file.write('{"name": "card", "version": "1", "cmdline": "", "ready": "serial", "size": "640x400"}\n')


def card_site(runs=True):
    """A site whose desktops are test cards on this machine's own KVM. Where there is none the story is skipped, unless
    it is one in which no desktop runs."""
    if runs and vm.why_not():
        raise unittest.SkipTest(vm.why_not())
    site = Whole()
    site.host_options = {"vm": "always"}
    make_card_image(f"{site.images}/card")
    return site


def cell_site():
    """A site whose desktops are containers of the golden image, on this machine. The image is reached by a link, so
    that what is tried here leaves the demo's image list alone. Where no container runs the story is skipped."""
    if cell.why_not():
        raise unittest.SkipTest(cell.why_not())
    site = Whole()
    folder = os.path.dirname(cell.image())
    site.desktops = {"image": os.path.basename(folder), "isolation": "container", "memory_mib": 512}
    os.makedirs(site.images)
    os.symlink(folder, f"{site.images}/{os.path.basename(folder)}")
    return site


def debian_site():
    """A site whose desktops are the golden Debian image, where KVM is hardware or looks like it."""
    lab = probe(BUILD).get("kvm") != "hardware"
    site = Whole(lab=lab, images=f"{TOP}/run/images")
    return site


def seconds(function):
    begin = time.monotonic()
    function()
    return time.monotonic() - begin
