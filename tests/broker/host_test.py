# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: enrolment, sync, fencing by epoch, failures and loss, with simulated agents."""
import os
import subprocess
import threading
import time
import unittest

import fakehost
import panesite

WOKEN_S = 0.8  # after the change is committed; less than the slow poll behind LISTEN/NOTIFY


class Hosts(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site(host_lost_s=2, host_gone_s=1, poll_max_s=3).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def run_openssl(self, *args, text=None):
        return subprocess.run(["openssl", *args], input=text, capture_output=True, text=True, check=True).stdout

    def test_enrolment_signs_for_the_host(self):
        """the certificate is O=Pane, OU=host, CN=uuid, for the key of the request, by the CA"""
        h = self.site.host(start=False)
        subject = self.run_openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", text=h.enrolled["cert"])
        self.assertEqual(subject.strip(), f"subject=CN={h.id},OU=host,O=Pane")
        path = os.path.join(self.site.root, "h.crt")
        with open(path, "w", encoding="ascii") as f:
            f.write(h.enrolled["cert"])
        out = self.run_openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                               f"{self.b.pki}/ca.crt", path)
        self.assertIn("OK", out)
        mine = self.run_openssl("pkey", "-in", f"{self.site.root}/host.key", "-pubout")
        self.assertEqual(self.run_openssl("x509", "-noout", "-pubkey", text=h.enrolled["cert"]), mine)
        with open(f"{self.b.pki}/grant.pub", encoding="ascii") as f:
            self.assertEqual(h.enrolled["grant_key"], f.read())

    def test_enrolment_token_is_good_once(self):
        """a token enrols one host, is not spent by a bad request, expires, and is replaced before use"""
        token = self.b.post("/hosts", {"name": "h1"}).json["token"]
        newer = self.b.post("/hosts", {"name": "h1"}).json["token"]
        body = {"name": "h1", "address": "127.0.0.1:7443", "csr": self.site.csr}
        self.assertEqual(self.b.post("/enroll", {**body, "token": token}, token="").status, 403)
        bad = self.b.post("/enroll", {**body, "token": newer, "csr": "junk"}, token="")
        self.assertEqual(bad.status, 400, bad)
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(
            self.b.post("/enroll", {**body, "token": newer}, token="").status)) for _ in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(codes), [200] + [403] * 9)
        self.assertEqual(self.b.post("/hosts", {"name": "h1"}).code, "host.exists")
        late = self.b.post("/hosts", {"name": "h2"}).json["token"]
        self.site.cluster.sql("UPDATE pane.host SET enroll_expires_at = now() - interval '1 s' WHERE name = 'h2'")
        self.assertEqual(self.b.post("/enroll", {**body, "token": late}, token="").code, "enroll.refused")

    def test_weak_or_forged_requests(self):
        """a weak key or a request not signed by its own key is refused"""
        weak = os.path.join(self.site.root, "weak.key")
        self.run_openssl("genrsa", "-out", weak, "1024")
        csr = self.run_openssl("req", "-new", "-key", weak, "-subj", "/CN=x")
        token = self.b.post("/hosts", {"name": "h1"}).json["token"]
        r = self.b.post("/enroll", {"token": token, "csr": csr}, token="")
        self.assertEqual(r.status, 400)
        self.assertIn("P-256", r.json["error"]["message"])
        import base64
        lines = self.site.csr.strip().splitlines()
        der = bytearray(base64.b64decode("".join(lines[1:-1])))
        der[-1] ^= 1
        forged = "\n".join([lines[0], base64.b64encode(bytes(der)).decode(), lines[-1], ""])
        r = self.b.post("/enroll", {"token": token, "csr": forged}, token="")
        self.assertEqual(r.status, 400, r)

    def test_long_poll(self):
        """a poll waits for its time, and is answered at once when something changes"""
        h = self.site.host(start=False)
        h.generation = h.sync({**h.report(), "wait_s": 0}).json["generation"]
        begin = time.monotonic()
        r = h.sync({**h.report(), "wait_s": 1})
        self.assertEqual(r.json["generation"], h.generation)
        self.assertGreater(time.monotonic() - begin, 0.9)
        held = h.poll(20)
        self.site.pool()
        changed = time.monotonic()
        reply = held.join()
        self.assertLess(held.ended - changed, WOKEN_S)
        self.assertGreater(reply.json["generation"], h.generation)
        self.assertEqual([d["want"] for d in reply.json["desktops"]], ["running"])

    def test_report_that_was_overtaken(self):
        """a report that its agent has overtaken, or that comes from a run another has replaced, changes nothing"""
        h = self.site.host(start=False)
        self.site.pool()
        self.b.wait(lambda: h.turn() or self.site.desktop("office-1").get("state") == "ready", "a desktop")
        old = {**h.report(), "wait_s": 0}
        h.set("office-1", state="failed", reason="panic")
        self.assertEqual(self.site.desktop("office-1")["state"], "failed")
        late = h.sync(old, again=False)
        self.assertEqual((late.status, late.code), (409, "host.late"), late)
        self.assertEqual(self.site.desktop("office-1")["state"], "failed")
        twice = {**h.report(), "wait_s": 0}
        self.assertEqual([h.sync(twice).status, h.sync(twice).status], [200, 200])
        restarted = {**h.report(), "wait_s": 0, "report": {"run": "another", "n": 1}}
        self.assertEqual(h.sync(restarted).status, 200)
        self.assertEqual(h.sync({**h.report(), "wait_s": 0}).code, "host.replaced")
        self.assertEqual(h.sync(restarted).status, 200)

    def test_newer_poll_ends_the_older(self):
        """a new poll of a host ends the one before at once"""
        h = self.site.host(start=False)
        h.generation = h.sync({**h.report(), "wait_s": 0}).json["generation"]
        held = h.poll(20)
        begin = time.monotonic()
        h.sync({**h.report(), "wait_s": 0})
        held.join()
        self.assertLess(held.ended - begin, 2)

    def test_stale_epoch_is_ignored(self):
        """a report under an older epoch changes nothing and is audited once"""
        h = self.site.host()
        self.site.pool(spare=1)
        self.site.wait_state("office-1", "ready")
        row = self.site.desktop("office-1")
        self.assertEqual(self.b.post("/desktops/office-1/restart").status, 202)
        self.site.wait_state("office-1", "ready")
        h.stop()
        for _ in range(3):
            h.sync({**h.report(), "wait_s": 0, "desktops": [
                {"id": row["id"], "epoch": row["epoch"], "state": "failed", "reason": "late", "viewers": []}]})
        after = self.site.desktop("office-1")
        self.assertEqual((after["state"], after["reason"]), ("ready", ""))
        stale = [a for a in self.site.audit() if a["action"] == "report.stale"
                 and "failed" in a["detail"]]
        self.assertLessEqual(len(stale), 1)
        all_stale = [a for a in self.site.audit() if a["action"] == "report.stale"]
        self.assertGreaterEqual(len(all_stale), 1)
        future = h.sync({**h.report(), "wait_s": 0, "desktops": [
            {"id": row["id"], "epoch": 10 ** 6, "state": "failed", "reason": "", "viewers": []}]})
        self.assertEqual(future.status, 200)
        self.assertEqual(self.site.desktop("office-1")["state"], "ready")

    def test_foreign_desktop(self):
        """a host that speaks of another host's desktop changes nothing and is told to remove it"""
        self.site.host("h1")
        self.site.pool(size_max=1)
        self.site.wait_state("office-1", "ready")
        row = self.site.desktop("office-1")
        h2 = self.site.host("h2", start=False)
        r = h2.sync({**h2.report(), "wait_s": 0, "desktops": [
            {"id": row["id"], "epoch": row["epoch"], "state": "failed", "reason": "", "viewers": []}]})
        self.assertEqual(self.site.desktop("office-1")["state"], "ready")
        self.assertEqual([(d["id"], d["want"]) for d in r.json["desktops"]], [(row["id"], "absent")])

    def test_unknown_desktops_are_left_alone(self):
        """a desktop the database does not know is never ordered away"""
        h = self.site.host(start=False)
        r = h.sync({**h.report(), "wait_s": 0, "desktops": [
            {"id": "00000000-0000-0000-0000-00000000abcd", "epoch": 3, "state": "ready", "viewers": []}]})
        self.assertEqual((r.status, r.json["desktops"]), (200, []))

    def test_host_lost_and_back(self):
        """a silent host is lost, its desktops say so, a floating user gets another at once; back, all is well"""
        h1 = self.site.host("h1")
        self.site.pool(size_max=2, spare=1)
        self.site.pool(name="own", assignment="dedicated", spare=0)
        pw = self.site.user("alice", "office", "own")
        self.site.wait_state("office-1", "ready")
        first = self.b.connect(user="alice", password=pw, desktop="office").json
        own = self.b.connect(user="alice", password=pw, desktop="own").json
        self.site.wait_state("office-2", "ready")
        h1.stop()
        begin = time.monotonic()
        self.b.wait(lambda: self.b.get("/hosts/h1").json["state"] == "lost", "lost", 8)
        self.assertLess(time.monotonic() - begin, 6)
        row = self.site.desktop(first["name"])
        self.assertEqual(row["state"], "lost")
        self.assertIn("host h1 not heard from since", row["reason"])
        self.site.host("h2")
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] >= 1, "another on h2")
        again = self.b.connect(user="alice", password=pw, desktop="office")
        self.assertEqual(again.status, 200, again)
        self.assertNotEqual(again.json["desktop"], first["desktop"])
        r = self.b.connect(user="alice", password=pw, desktop="own")
        self.assertEqual((r.status, r.code), (409, "desktop.unavailable"))
        self.assertIn("host h1 not heard from", r.json["error"]["reasons"][0])
        h1.start()
        self.site.wait_state("own-1", "ready")
        r = self.b.connect(user="alice", password=pw, desktop="own")
        self.assertEqual(r.json["desktop"], own["desktop"])
        self.b.wait(lambda: self.site.desktop(first["name"]).get("dirty") in (False, None), "old one recycled")

    def test_broken_poll_is_noticed_soon(self):
        """when a host's open poll breaks off, it is lost after host_gone_s, not host_lost_s"""
        self.b.stop()
        self.site.broker.start()
        h = self.site.host(start=False)
        h.generation = h.sync({**h.report(), "wait_s": 0}).json["generation"]
        with self.assertRaises(OSError):
            h.sync({**h.report(), "wait_s": 3}, timeout=0.3)
        begin = time.monotonic()
        self.b.wait(lambda: self.b.get("/hosts/h1").json["state"] == "lost", "lost", 8)
        self.assertLess(time.monotonic() - begin, 3.2) # 3 + 2 would be the other way

    def test_failure_retry_and_reason(self):
        """a start that fails shows the host's reason and is tried again; when it works all is forgotten"""
        h = self.site.host()
        h.fail = "image office is not on this host: run pane-host image add"
        self.site.pool(size_max=1)
        self.site.wait_state("office-1", "failed")
        row = self.site.desktop("office-1")
        self.assertEqual(row["reason"], h.fail)
        self.assertEqual(row["retries"], 1)
        pw = self.site.user("alice", "office")
        r = self.b.connect(user="alice", password=pw)
        self.assertEqual((r.status, r.code), (409, "desktop.unavailable"))
        self.assertIn(h.fail, r.json["error"]["reasons"][0] if "full" not in r.json["error"]["reasons"][0]
                      else r.json["error"]["reasons"][1])
        h.fail = None
        self.site.wait_state("office-1", "ready", 15)
        self.assertEqual(self.site.desktop("office-1")["retries"], 0)

    def test_failed_dedicated_keeps_its_disk(self):
        """a used dedicated desktop that fails is restarted, never wiped"""
        h = self.site.host()
        self.site.pool(name="own", assignment="dedicated", spare=0)
        pw = self.site.user("alice", "own")
        self.assertEqual(self.b.connect(user="alice", password=pw).status, 200)
        row = self.site.desktop("own-1")
        h.set("own-1", state="failed", reason="panic")
        self.assertEqual(self.site.desktop("own-1")["state"], "failed")
        self.site.wait_state("own-1", "ready", 15)
        self.assertNotIn("absent", [o[2] for o in h.orders if o[0] == row["id"]])
        self.assertEqual(self.site.desktop("own-1")["user"], "alice")

    def test_deadline_of_a_boot(self):
        """a boot that hangs fails at its deadline with a reason"""
        self.site.cluster.sql("UPDATE pane.machine_timeout SET seconds = 1 WHERE state = 'booting'")
        h = self.site.host()
        h.hang = True
        self.site.pool(size_max=1)
        self.site.wait_state("office-1", "failed")
        self.assertIn("booting took longer than 1 s", self.site.desktop("office-1")["reason"])

    def test_vanished_desktop(self):
        """a ready desktop the host no longer has is failed and made anew"""
        h = self.site.host()
        self.site.pool(size_max=1)
        self.site.wait_state("office-1", "ready")
        h.stop()
        h.desktops.clear()
        h.sync({**h.report(), "wait_s": 0, "generation": 0}) # an agent that has read no list yet: nothing
        self.assertEqual(self.site.desktop("office-1")["state"], "ready")
        h.sync({**h.report(), "wait_s": 0})
        row = self.site.desktop("office-1")
        self.assertEqual((row["state"], row["reason"]), ("failed", "its host no longer has it"))
        h.start()
        self.site.wait_state("office-1", "ready", 15)

    def test_placement_counts_starts_in_flight(self):
        """two hosts fill evenly while nothing has booted, and no further than their memory"""
        hosts = [self.site.host(f"h{i}", memory_mib=4096) for i in (1, 2)]
        for h in hosts:
            h.hang = True
        self.b.wait(lambda: len([h for h in self.b.get("/hosts").json["items"] if h["state"] == "online"]) == 2,
                    "both online")
        self.site.pool(size_max=10, spare=10)
        self.b.wait(lambda: self.b.get("/pools/office").json["blocked"], "full")
        per = {}
        for d in self.b.get("/desktops").json["items"]:
            per[d["host"]] = per.get(d["host"], 0) + 1
        self.assertLessEqual(max(per.values()), 4)
        self.assertLessEqual(abs(per["h1"] - per["h2"]), 1)
        blocked = self.b.get("/pools/office").json["blocked"]
        self.assertTrue(all("needs 1024 MiB" in r for r in blocked), blocked)

    def test_host_delete(self):
        """a host with desktops is not removed unless forced; a removed one is refused"""
        h = self.site.host()
        self.site.pool(size_max=1)
        self.site.wait_state("office-1", "ready")
        r = self.b.call("DELETE", "/hosts/h1")
        self.assertEqual((r.status, r.code), (409, "host.busy"))
        self.assertEqual(r.json["error"]["reasons"], ["desktop office-1 is ready"])
        self.assertEqual(self.b.call("DELETE", "/hosts/h1?force=true").status, 204)
        h.stopping.set()
        self.assertEqual(h.sync().code, "host.unknown")
        self.assertEqual(self.b.get("/desktops/office-1").status, 404)

    def test_bad_reports(self):
        """a report that is not as agreed is 400 and changes nothing"""
        h = self.site.host(start=False)
        for change in ({"desktops": [{"id": "x"}]}, {"capacity": {"cpus": -1}}, {"capacity": {"kvm": "yes"}},
                       {"images": {"a": 1}}, {"address": "example.org:1"}, {"generation": "1"}, {"report": 7}, {"report": {"run": "x"}},
                       {"desktops": [{"id": "0" * 36, "epoch": 1, "state": "ready"}]}):
            r = h.sync({**h.report(), **change})
            self.assertEqual(r.status, 400, (change, r))
        self.assertEqual(self.b.get("/hosts/h1").json["state"], "enrolled")

    def test_images(self):
        """images are what hosts report, and follow them"""
        h = self.site.host(images=("office", "lab"))
        self.b.wait(lambda: len(self.b.get("/images").json["items"]) == 2, "two images")
        h.images = ("office",)
        self.b.wait(lambda: len(self.b.get("/images").json["items"]) == 1, "one image")
        self.assertEqual(self.b.get("/images").json["items"][0]["hosts"][0]["host"], "h1")


if __name__ == "__main__":
    unittest.main()
