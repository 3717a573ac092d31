# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' homes on a host: reported, deleted when the broker says so, never under somebody's desktop."""
import fcntl
import os
import shutil
import unittest

from agent_test import D1, D2, Story
from rig import Broker, Host, until

TIMEOUT = 120
K1, K2 = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


class Homes(Story): # a TestCase
    def homes(self):
        return {h["key"]: h for h in (self.broker.report or {}).get("homes", [])}

    def file(self, key=K1):
        return f"{self.host.state}/homes/{key}.raw"

    def test_reported(self):
        """a machine's home disk is in the report with its size and what it takes"""
        if not shutil.which("mkfs.ext4", path="/sbin:/usr/sbin"):
            self.skipTest("e2fsprogs is not installed")
        self.running(home={"key": K1, "mib": 32})
        home = until(lambda: self.homes().get(K1), "the home in a report")
        self.assertEqual(home["mib"], 32)
        self.assertTrue(0 < home["used_mib"] < 32, home)

    def test_deleted(self):
        """a free home goes when the broker says so, of machine and container alike, and the report says it is gone"""
        self.host.start()
        os.makedirs(f"{self.host.state}/homes/{K2}/deep")
        os.symlink("/etc/passwd", f"{self.host.state}/homes/{K2}/deep/link")
        for name in (f"{K1}.raw", f"{K2}/home.img", "somebody-else", "README.raw"):
            with open(f"{self.host.state}/homes/{name}", "wb") as file:
                file.truncate(3 << 20)
        self.broker.say(x=1)
        until(lambda: {k: h["mib"] for k, h in self.homes().items()} == {K1: 3, K2: 3}, "both in a report")
        self.broker.say(drop_homes=[K1, K2, "../../etc", "somebody-else", 7])
        until(lambda: self.broker.report and not self.homes(), "neither in a report")
        self.assertEqual(sorted(os.listdir(f"{self.host.state}/homes")), ["README.raw", "somebody-else"])
        self.assertTrue(os.path.exists("/etc/passwd"))

    def test_living(self):
        """a home that a machine has, or that an order is about to give one, is kept whatever the broker says"""
        self.running(home={"key": K1, "mib": 16})
        self.broker.say(drop_homes=[K1])
        until(lambda: "home.kept" in self.host.log_text(), self.host.log_text)
        self.assertTrue(os.path.exists(self.file()))
        self.broker.order(D1, epoch=2, home=None)
        until(lambda: not os.path.exists(self.file()), "its end, once the machine has let go of it")
        self.broker.order(D2, name="office-2", epoch=1, home={"key": K1, "mib": 16}, memory_mib=1 << 24)
        self.state(D2, "failed")
        os.close(os.open(self.file(), os.O_CREAT, 0o600))
        self.broker.say(drop_homes=[K1])
        until(lambda: self.host.log_text().count("home.kept") > 1, self.host.log_text)
        self.assertTrue(os.path.exists(self.file()))

    def test_shared(self):
        """a directory of homes that several hosts have is known by its mark; what another host has open there is not deleted"""
        homes = f"{self.dir}/shared"
        self.host.places = {"homes_dir": homes, "homes_shared": "yes"}
        self.host.write_config()
        os.mkdir(f"{self.dir}/2")
        other = Host(f"{self.dir}/2", Broker(self.pki), places=self.host.places)
        self.addCleanup(other.stop)
        other.enroll()
        self.running(home={"key": K1, "mib": 16})
        other.start()
        marks = [b.report["capacity"]["storage"] for b in (self.broker, other.broker)]
        self.assertEqual((len(marks[0]), marks[0]), (12, marks[1]))
        until(lambda: {h["key"] for h in other.broker.report.get("homes", [])} == {K1}, "the other one sees the home too")
        self.assertFalse(os.path.exists(self.file()))
        with open(f"{homes}/{K1}.raw", "r+b") as file: # as the machine of that desktop has it
            fcntl.flock(file, fcntl.LOCK_EX)
            other.broker.say(drop_homes=[K1])
            until(lambda: "home.kept" in other.log_text(), other.log_text)
            self.assertTrue(os.path.exists(f"{homes}/{K1}.raw"))
        other.broker.say(drop_homes=[K1], x=2)
        until(lambda: not os.path.exists(f"{homes}/{K1}.raw"), "its end, once it is free")


if __name__ == "__main__":
    unittest.main()
