# SPDX-License-Identifier: GPL-3.0-or-later
"""What pools say of first boots, on its way to the hosts; and versions that only firmware starts."""
import unittest

import panesite

SCRIPT = "#!/bin/sh\necho hello\n"


class FirstBoot(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def order(self, h, name):
        return h.desktops[self.site.desktop(name)["id"]]["order"]

    def patch(self, **customize):
        return self.b.call("PATCH", "/pools/office", {"customize": customize})

    def test_delivered(self):
        """a pool's customisation comes with the orders, once for all desktops; a change reaches new desktops only"""
        h = self.site.host()
        row = self.site.pool(size_max=4, spare=2, customize={"timezone": "Europe/Berlin", "keyboard": "de:nodeadkeys",
                                                             "packages": ["vim", "g++"], "script": SCRIPT})
        self.assertEqual(row["customize"]["script"], SCRIPT)
        self.assertNotIn("script", self.b.get("/pools").json["items"][0]["customize"])
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] == 2, "two warm desktops")
        first = self.order(h, "office-1")["customize"]
        self.assertEqual(self.order(h, "office-2")["customize"], first)
        self.assertEqual(h.reply["customizations"], {first: row["customize"]})
        self.assertEqual(self.order(h, "office-1")["account"], "user")
        r = self.patch(timezone="Asia/Tokyo", packages=None)
        self.assertEqual(r.json["customize"], {"timezone": "Asia/Tokyo", "keyboard": "de:nodeadkeys", "script": SCRIPT})
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"spare": 3}).status, 200)
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] == 3, "a third one")
        self.assertEqual(self.order(h, "office-1")["customize"], first, "an old one keeps its own")
        self.assertEqual(h.reply["customizations"][self.order(h, "office-3")["customize"]]["timezone"], "Asia/Tokyo")
        self.assertEqual(self.patch(timezone=None, keyboard=None, script=None).json["customize"], {})

    def test_refused(self):
        """what could break out of its place is refused with what to write instead"""
        self.site.pool()
        for bad in ({"timezone": "../../etc/passwd"}, {"timezone": 1}, {"keyboard": "de us"}, {"packages": "vim"},
                    {"packages": ["-oX=y"]}, {"packages": ["vim;x"]}, {"packages": ["a" * 90] * 60}, {"script": "echo"},
                    {"script": "#!" + "x" * 20000}, {"account": "root"}, {"sudo": "yes"}, {"hostname": "x"}):
            self.assertEqual(self.patch(**bad).status, 400, bad)
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"customize": []}).status, 400)
        self.assertEqual(self.b.get("/pools/office").json["customize"], {})

    def test_accounts(self):
        """where accounts are named after users, a spare has none, starts again with its user's, and is recycled after"""
        h = self.site.host()
        self.site.pool(size_max=2, spare=1, customize={"account": "assigned"})
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] == 1, "a warm desktop")
        self.assertEqual(self.order(h, "office-1")["account"], "")
        epoch = self.order(h, "office-1")["epoch"]
        self.site.user("j.doe@example.org", "office")
        r = self.b.wait(lambda: (x := self.b.connect(user="j.doe@example.org", password="correct horse battery",
                                                     desktop="office")).status == 200 and x, "j.doe is in")
        self.assertEqual(r.json["name"], "office-1")
        order = self.order(h, "office-1")
        self.assertEqual(order["account"], "j-doe")
        self.assertGreater(order["epoch"], epoch)
        self.assertIn("stopped", [want for i, _, want in h.orders if i == self.site.desktop("office-1")["id"]])
        self.assertEqual(self.b.post("/desktops/office-1/release").status, 202)
        self.b.wait(lambda: not self.site.desktop("office-1").get("user") and self.site.desktop("office-1").get("state") == "ready",
                    "a fresh one")
        self.assertEqual(self.order(h, "office-1")["account"], "")

    def test_account_names(self):
        """an account's name is one Linux takes and no system account's"""
        for user, account in (("alice", "alice"), ("root", "u-root"), ("daemon", "u-daemon"), ("7of9", "u-7of9"),
                              ("a.b@c", "a-b"), ("x" * 60, "x" * 32), ("user", "u-user"), ("systemd-x", "u-systemd-x")):
            self.assertEqual(self.site.cluster.value(f"SELECT pane.account_name('{user}')"), account)

    def test_firmware(self):
        """a version only firmware starts is refused per host with both reasons, until a host can do it"""
        v = self.site.image(b"FIRMWARE")
        self.assertEqual(self.site.version(v)["boot"], "firmware")
        h = self.site.host(images=())
        self.site.pool(size_max=1, spare=1)
        why = f"host h1: version {v} of image office starts by firmware only (it has no kernel), which this host cannot do"
        self.b.wait(lambda: why in self.b.get("/pools/office").json["blocked"], "the refusal")
        self.assertEqual(self.b.get("/images").json["items"][0]["problems"], [why])
        h.more = {"firmware": True}
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] == 1, "a desktop")
        self.assertEqual(self.b.get("/images").json["items"][0]["problems"], [])

    def test_firmware_on_host(self):
        """the same for an image that was added on a host"""
        h = self.site.host(start=False, images=())
        body = h.report()
        body["images"] = [{"name": "win", "version": "abc", "disk_mib": 1, "boot": "firmware", "boot_reason": "NTFS"}]
        self.assertEqual(h.sync({**body, "wait_s": 0}).status, 200)
        self.assertIn("(NTFS)", self.b.get("/images/win").json["versions"][0]["hosts"][0]["reason"])


if __name__ == "__main__":
    unittest.main()
