# SPDX-License-Identifier: GPL-3.0-or-later
"""A stock cloud image (kernel, cloud-init, no desktop) under the whole of Pane: what a pool's customisation says is
in effect in the guest that booted it, read on its serial console; and the user's home is a disk of its own there.
Its packages come from a repository of the story's own, on a machine (a network namespace) next to the host.
Where KVM is not hardware the guest runs in the lab host, without the kernel's own messages: there each letter costs a fraction of a millisecond."""
import hashlib
import json
import os
import subprocess
import sys
import unittest

import whole

sys.path.insert(0, f"{whole.TOP}/tests/vmm/image")
import cloudimage  # noqa: E402

TIMEOUT = 1800
TOP = whole.TOP
CACHE = os.environ.get("PANE_CLOUD", f"{TOP}/build/cloud-image")

SCRIPT = """#!/bin/sh
exec >/dev/ttyS0 2>&1
fact() { printf 'fact %s\\n' "$*"; }
fact host "$(hostname)"
fact zone "$(date +%Z)" "$(cat /etc/timezone)"
fact keyboard "$(grep ^XKBLAYOUT /etc/default/keyboard)"
fact account "$(id -un 1000)" "$(stat -c %U:%G /home/alice)" "$(grep -c '^alice' /etc/sudoers.d/90-cloud-init-users)"
fact home "$(findmnt -no LABEL /home/alice)"
fact package "$(dpkg-query -W -f '${Status}' pane-story)" "$(pane-story)"
"""

MIRROR = "http://192.0.2.2:8080/"
ROOT = "?offset=134217728"  # of the cloud image's disk: where its root file system begins

# A desktop does not reach its host's own addresses, so the mirror is a neighbour: a namespace with a link of its own.
SERVE = """PATH=$PATH:/usr/sbin:/sbin; modprobe -q veth
ip netns add pane-mirror && ip link add pane-m0 type veth peer name pane-m1 netns pane-mirror || exit 1
ip addr add 192.0.2.1/30 dev pane-m0 && ip link set pane-m0 up && ip -n pane-mirror link set lo up &&
ip -n pane-mirror addr add 192.0.2.2/30 dev pane-m1 && ip -n pane-mirror link set pane-m1 up && cd {folder} &&
exec ip netns exec pane-mirror python3 -uc '
import http.server, socketserver
with socketserver.TCPServer(("192.0.2.2", 8080), http.server.SimpleHTTPRequestHandler) as server:
    print("serving")
    server.serve_forever()
'
"""


def repository(folder):
    """An apt repository of one package, whose program says a sentence."""
    root = f"{folder}/root"
    os.makedirs(f"{root}/DEBIAN")
    os.makedirs(f"{root}/usr/bin")
    control = ("Package: pane-story\nVersion: 1.0\nArchitecture: all\nMaintainer: Pane <pane@example.org>\n"
               "Description: a sentence\n")
    for name, text, mode in (("DEBIAN/control", control, 0o644), ("usr/bin/pane-story", "#!/bin/sh\necho it is here\n", 0o755)):
        with open(f"{root}/{name}", "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(f"{root}/{name}", mode)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-b", root, f"{folder}/pane-story.deb"], check=True, capture_output=True)
    with open(f"{folder}/pane-story.deb", "rb") as file:
        data = file.read()
    with open(f"{folder}/Packages", "w", encoding="ascii") as file:
        file.write(f"{control}Filename: ./pane-story.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")


def use_mirror(disk, folder):
    """As an administrator would: the image's apt knows the site's mirror only, and cloud-init leaves it that."""
    files = {"/etc/apt/sources.list": f"deb [trusted=yes] {MIRROR} ./\n",
             "/etc/cloud/cloud.cfg.d/99-mirror.cfg": "apt:\n  preserve_sources_list: true\n"}
    for n, (path, text) in enumerate(files.items()):
        with open(f"{folder}/part{n}", "w", encoding="ascii") as file:
            file.write(text)
        for command in (f"rm {path}", f"write {folder}/part{n} {path}"):
            subprocess.run(["/sbin/debugfs", "-w", "-R", command, disk + ROOT], check=True, capture_output=True)
        said = subprocess.run(["/sbin/debugfs", "-R", f"cat {path}", disk + ROOT], check=True, capture_output=True, text=True).stdout
        assert said == text, said


def cloud_image(images):
    """The converted cloud image as images/cloud, or why there is none."""
    try:
        cloudimage.make(CACHE)
    except (OSError, subprocess.CalledProcessError) as error:
        raise unittest.SkipTest(f"no cloud image could be built here: {error}") from error
    if not os.path.exists(f"{CACHE}/image/image.json"):
        subprocess.run([f"{whole.BUILD}/bin/pane-image", "convert", f"{CACHE}/cloud.raw", f"{CACHE}/image", "--name", "cloud"],
                       check=True, stdout=subprocess.DEVNULL)
    os.makedirs(f"{images}/cloud")
    for name in ("vmlinuz", "initrd.img"):
        os.symlink(f"{CACHE}/image/{name}", f"{images}/cloud/{name}")
    subprocess.run(["cp", "--sparse=always", f"{CACHE}/image/disk.raw", f"{images}/cloud/disk.raw"], check=True)
    with open(f"{CACHE}/image/image.json", encoding="utf-8") as file:
        image = json.load(file)
    image["cmdline"] = image["cmdline"].replace("earlyprintk=ttyS0,115200", "quiet loglevel=3 systemd.show_status=false")
    with open(f"{images}/cloud/image.json", "w", encoding="utf-8") as file:
        json.dump(image, file)


class FirstBoot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.debian_site()
        cls.site.images = f"{cls.site.run}/images"
        os.makedirs(cls.site.images)
        cloud_image(cls.site.images)
        cls.mirror = f"{cls.site.run}/mirror"
        repository(cls.mirror)
        use_mirror(f"{cls.site.images}/cloud/disk.raw", cls.site.run)
        cls.site.lab_options = ["--memory", "4096"]
        cls.site.up()
        cls.serve()

    @classmethod
    def serve(cls):
        """The mirror, beside the host that runs the desktops."""
        script = SERVE.format(folder=cls.mirror)
        command = cls.site.in_lab("sh", "-c", script) if cls.site.lab else ["sh", "-c", script]
        with open(f"{cls.site.logs}/mirror.log", "wb") as log:
            cls.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not cls.site.lab:
            cls.addClassCleanup(subprocess.run, ["ip", "netns", "del", "pane-mirror"], check=False)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.terminate)
        cls.site.wait(lambda: "serving" in cls.served(), 60, "the mirror")

    @classmethod
    def served(cls):
        with open(f"{cls.site.logs}/mirror.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def enter(self, user, password, pool, timeout=1200):
        """The user asks for a desktop until there is one; its row."""
        api = self.site.api().login(user, password)

        def ticket():
            status, reply = api.call("POST", "/tickets", {"pool": pool})
            return status == 200 and "ticket" in reply
        self.site.wait(ticket, timeout, f"a desktop for {user}")
        return self.site.desktop_of(user)

    def facts(self, desktop):
        """What the script printed: {first word: the rest}."""
        lines = [line.strip().split(" ", 2)[1:] for line in self.site.serial(desktop).splitlines()
                 if line.startswith("fact ")]
        return {line[0]: line[1] if len(line) > 1 else "" for line in lines}

    def test_customised(self):
        """host name, account, time zone, keyboard, packages and script of a pool are in effect in a cloud image"""
        script = f"{self.site.run}/first"
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT)
        self.site.pane_login()
        self.site.pane("pools", "create", "cloud", "--image", "cloud", "--memory", "640", "--cpus", "2", "--size", "1",
                       "--spare", "0", "--assignment", "floating", "--home", "64", "--timezone", "Europe/Berlin",
                       "--keyboard", "de:nodeadkeys", "--account", "assigned", "--script", script,
                       "--packages", "pane-story")
        shown = json.loads(self.site.pane("pools", "show", "cloud", "--json"))["customize"]
        self.assertEqual((shown["timezone"], shown["script"]), ("Europe/Berlin", SCRIPT))
        password = self.site.user("alice", "cloud")
        desktop = self.enter("alice", password, "cloud")
        facts = self.facts(desktop)
        print("#", facts, flush=True)
        self.assertEqual(facts["host"], "cloud-1")
        self.assertIn(facts["zone"], ("CET Europe/Berlin", "CEST Europe/Berlin"))
        self.assertEqual(facts["keyboard"], 'XKBLAYOUT="de"')
        self.assertEqual(facts["account"], "alice alice:alice 1")
        self.assertEqual(facts["home"], "pane-home")
        self.assertEqual(facts["package"], "install ok installed it is here", self.served())
        self.assertEqual(self.site.serial(desktop).count("pane.ready"), 1)


if __name__ == "__main__":
    unittest.main()
