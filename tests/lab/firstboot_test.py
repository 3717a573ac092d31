# SPDX-License-Identifier: GPL-3.0-or-later
"""A stock cloud image (kernel, cloud-init, no desktop) under the whole of Pane: what a pool's customisation says is
in effect in the guest that booted it, read on its serial console; and the user's home is a disk of its own there.
Where KVM is not hardware the guest runs in the lab host, without the kernel's own messages: there each letter costs a fraction of a millisecond."""
import json
import os
import subprocess
import sys
import unittest

import whole

sys.path.insert(0, f"{whole.TOP}/tests/vmm/image")
import cloudimage  # noqa: E402

TIMEOUT = 1200
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
"""


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
    for name in ("disk.raw", "vmlinuz", "initrd.img"):
        os.symlink(f"{CACHE}/image/{name}", f"{images}/cloud/{name}")
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
        cls.site.lab_options = ["--memory", "4096"]
        cls.site.up()

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
        """host name, account, time zone, keyboard and script of a pool are in effect in a cloud image"""
        script = f"{self.site.run}/first"
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT)
        self.site.pane_login()
        self.site.pane("pools", "create", "cloud", "--image", "cloud", "--memory", "640", "--cpus", "2", "--size", "1",
                       "--spare", "0", "--assignment", "floating", "--home", "64", "--timezone", "Europe/Berlin",
                       "--keyboard", "de:nodeadkeys", "--account", "assigned", "--script", script)
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
        self.assertEqual(self.site.serial(desktop).count("pane.ready"), 1)


if __name__ == "__main__":
    unittest.main()
