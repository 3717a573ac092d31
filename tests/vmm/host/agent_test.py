# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-host, the real program, against a broker of the test and stand-ins for pane-vmm and
pane-display: what it does with orders, ends, restarts and bad visitors."""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import uuid

import rig
from rig import Broker, Gateway, Host, Pki, alive, until

TIMEOUT = 300
D1, D2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class Story(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.pki_dir = tempfile.mkdtemp(prefix="pane-host-")
        cls.pki = Pki(cls.pki_dir)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.pki_dir, ignore_errors=True)

    def setUp(self):
        if not os.access(rig.PROGRAM, os.X_OK):
            self.skipTest(f"{rig.PROGRAM} is not built")
        self.dir = tempfile.mkdtemp(prefix="pane-host-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.broker = Broker(self.pki)
        self.host = Host(self.dir, self.broker, **self.settings)
        self.addCleanup(self.host.stop)
        self.host.enroll()

    def tearDown(self):
        if any(error for _, error in getattr(self._outcome, "errors", [])):
            print(self.host.log_text())

    def state(self, desktop, wanted, timeout=10):
        return until(lambda: (row := self.broker.seen(desktop)).get("state") == wanted and row,
                     lambda: f"state {wanted}; last report {self.broker.seen(desktop)}; {self.host.log_text()}", timeout)

    def reason(self, desktop, part, timeout=15):
        return until(lambda: part in (row := self.broker.seen(desktop)).get("reason", "") and row,
                     lambda: f"reason {part!r}; last {self.broker.seen(desktop)}; {self.host.log_text()}", timeout)

    def running(self, desktop=D1, image="quiet", **fields):
        self.host.image(cmdline=image)
        self.host.start()
        self.broker.order(desktop, **fields)
        return self.state(desktop, "ready")

    def vmm(self, desktop=D1):
        return self.host.record(desktop)["vmm"]["pid"]

    def vmm_argv(self):
        with open(f"/proc/{self.vmm()}/cmdline", encoding="utf-8") as file:
            return file.read()

    def limits(self):
        said = json.loads(self.host.control(D1, op="limits"))
        said.pop("passed", None) # grows with each question
        return said


class Orders(Story):
    def test_running(self):
        """a desktop ordered to run is cloned, started and reported ready at once"""
        self.host.image()
        self.host.start()
        begin = time.monotonic()
        self.broker.order(D1)
        row = self.state(D1, "ready")
        self.assertLess(time.monotonic() - begin, 2.5)
        self.assertEqual((row["epoch"], row["viewers"], row["reason"]), (1, [], ""))
        report = self.broker.report
        self.assertEqual(report["capacity"]["kvm"], "hardware")
        self.assertEqual([i["name"] for i in report["images"]], ["office"])
        self.assertEqual(len(report["images"][0]["version"]), 16)
        args = open(f"/proc/{self.vmm()}/cmdline", encoding="utf-8").read().split("\0")
        self.assertIn("quiet systemd.hostname=office-1", args)
        self.assertEqual(os.getsid(self.vmm()), self.vmm())

    def test_stopped_and_back(self):
        """stopped asks the guest to power down; running brings the same disk back"""
        self.running()
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped")
        self.assertFalse(self.host.record(D1)["vmm"])
        self.broker.order(D1, want="running")
        self.state(D1, "ready")
        with open(f"{self.host.state}/desktops/{D1}/disk.overlay", encoding="utf-8") as file:
            self.assertEqual(file.read(), "started\nstarted\n")

    def test_deaf_guest(self):
        """a guest that ignores the power button is stopped after the deadline"""
        self.running(image="standin.deaf")
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped", 8)

    def test_absent(self):
        """absent ends the desktop and deletes its files, and is reported until the order goes"""
        self.running()
        pid = self.vmm()
        self.broker.order(D1, want="absent", epoch=2)
        row = self.state(D1, "absent")
        self.assertEqual(row["epoch"], 2)
        self.assertFalse(alive(pid))
        self.assertEqual(os.listdir(f"{self.host.state}/desktops"), [])
        self.assertEqual(os.listdir(self.host.run), [])
        self.broker.forget(D1)
        until(lambda: not self.broker.seen(D1), "the agent forgets it")
        self.broker.order(D1, epoch=3)
        self.assertEqual(self.state(D1, "ready")["epoch"], 3)

    def test_unlisted(self):
        """a desktop the broker no longer lists is left alone until it is told absent"""
        self.running()
        pid = self.vmm()
        self.broker.forget(D1)
        until(lambda: self.broker.report["generation"] == self.broker.generation, "the list was read")
        self.assertEqual(self.broker.seen(D1)["state"], "ready")
        self.assertTrue(alive(pid))

    def test_stale_epoch(self):
        """an order with an older epoch is ignored"""
        self.running(epoch=5)
        pid = self.vmm()
        self.broker.order(D1, want="absent", epoch=4)
        until(lambda: "order.stale" in self.host.log_text(), "the agent notes it")
        self.assertTrue(alive(pid))
        self.assertEqual(self.broker.seen(D1)["epoch"], 5)

    def test_bad_order(self):
        """a reply with a senseless order changes nothing and is asked for again"""
        self.running()
        self.broker.order(D2, name="../../etc")
        until(lambda: "not a plain name" in self.host.log_text(), self.host.log_text)
        self.assertTrue(alive(self.vmm()))
        self.broker.forget(D2)
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped")

    def test_missing_image(self):
        """an image that is not here: failed with the next step, and started once it is added"""
        self.host.start()
        self.broker.order(D1)
        row = self.state(D1, "failed")
        self.assertEqual(row["reason"], "image office is not on this host: run pane-host image add")
        self.host.image()
        self.state(D1, "ready", 12)

    def test_too_much_memory(self):
        """more memory than the host has is refused with both numbers"""
        self.host.image()
        self.host.start()
        self.broker.order(D1, memory_mib=16000000)
        self.assertRegex(self.state(D1, "failed")["reason"], r"needs 16000000 MiB, this host has \d+ MiB in all")
        self.broker.order(D1, memory_mib=64)
        self.state(D1, "ready")

    def test_changed_image(self):
        """a desktop keeps the version of the image it was cloned from, a new one gets the new"""
        self.running()
        self.host.image(fill=b"other disk")
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped")
        self.broker.order(D1, want="running")
        self.broker.order(D2, name="office-2")
        self.state(D1, "ready")
        self.state(D2, "ready")
        old, new = (self.host.record(d)["image_version"] for d in (D1, D2))
        self.assertNotEqual(old, new)
        disks = [open(f"/proc/{self.vmm(d)}/cmdline", encoding="utf-8").read() for d in (D1, D2)]
        self.assertIn(f"/office@{old}/disk.raw", disks[0])
        self.assertIn("/office/disk.raw", disks[1])


class Ends(Story):
    def test_killed(self):
        """kill -9 of pane-vmm: started again at once, with the reason in the report"""
        self.running()
        pid = self.vmm()
        os.kill(pid, signal.SIGKILL)
        row = self.reason(D1, "pane-vmm was killed (signal 9); restarted")
        self.state(D1, "ready")
        self.assertNotEqual(self.vmm(), pid)
        self.assertIn(row["state"], ("booting", "ready"))

    def test_poweroff(self):
        """a guest that powers off is reported stopped, then brought back while it is wanted"""
        self.running()
        self.host.control(D1, op="end", how="poweroff")
        self.assertEqual(self.reason(D1, "guest powered off")["state"], "stopped")
        self.state(D1, "ready")

    def test_reset(self):
        """a guest that reboots is back at once"""
        self.running()
        self.host.control(D1, op="end", how="reset")
        self.reason(D1, "guest rebooted")
        self.state(D1, "ready")

    def test_error(self):
        """an internal error of pane-vmm is told in its own words"""
        self.running()
        self.host.control(D1, op="end", how="error")
        self.reason(D1, "pane-vmm failed (exit 5): the guest did something impossible")
        self.state(D1, "ready")

    def test_problem(self):
        """a machine's problem is the reason in the report while it runs on"""
        self.running()
        self.host.control(D1, op="trouble", reason="disk write failed: No space left on device")
        self.assertEqual(self.reason(D1, "disk write failed: No space left on device")["state"], "ready")

    def test_note(self):
        """what a guest says of its first boot is the reason as long as it runs, before and behind other problems"""
        self.host.image(cmdline="standin.slow")
        self.host.start()
        self.broker.order(D1)
        self.state(D1, "booting")
        until(lambda: os.path.exists(f"{self.host.run}/{D1}/control.sock"), self.host.log_text)
        self.host.control(D1, op="note", reason="first boot: not installed: vim")
        self.assertEqual(self.reason(D1, "first boot: not installed: vim")["state"], "booting")
        self.host.control(D1, op="ready")
        self.assertEqual(self.state(D1, "ready")["reason"], "first boot: not installed: vim")
        self.host.control(D1, op="end", how="reset")
        self.reason(D1, "guest rebooted")

    def test_panic_loop(self):
        """a guest that panics again and again: backoff, failed, and the count in the reason"""
        self.host.image(cmdline="standin.die")
        self.host.start()
        self.broker.order(D1)
        row = self.reason(D1, "guest panicked, 3 times in a row; next try in 2 s")
        self.assertEqual(row["state"], "failed")

    def test_no_program(self):
        """a pane-vmm that cannot be run is a reason, not a crash"""
        self.host.settings["vmm"] = "/nonexistent/pane-vmm"
        self.host.write_config()
        self.host.image()
        self.host.start()
        self.broker.order(D1)
        self.assertIn("cannot run virtual machines: cannot run /nonexistent/pane-vmm", self.state(D1, "failed")["reason"])


class Restarts(Story):
    def test_agent_killed(self):
        """kill -9 of the agent: the next one takes up desktop and display, nothing is restarted"""
        self.running()
        gate = Gateway(self.host)
        self.assertEqual(gate.open(D1)["ok"], True)
        record = self.host.record(D1)
        self.host.kill()
        self.host.start()
        self.assertEqual(self.state(D1, "ready")["epoch"], 1)
        self.assertEqual(self.host.record(D1)["vmm"], record["vmm"])
        again = Gateway(self.host)
        self.assertEqual(again.open(D1)["ok"], True)
        self.assertEqual(self.host.record(D1)["display"], record["display"])
        os.kill(record["vmm"]["pid"], signal.SIGKILL)
        self.reason(D1, "pane-vmm was killed; restarted")

    def test_ended_meanwhile(self):
        """a desktop that ended while the agent was away is brought back, with the reason"""
        self.running()
        pid = self.vmm()
        self.host.kill()
        self.host.control(D1, op="end", how="reset")
        until(lambda: not alive(pid), "the stand-in ends")
        self.host.start()
        self.reason(D1, "guest rebooted")
        self.state(D1, "ready")

    def test_order_changed_meanwhile(self):
        """nothing is started before the broker was heard: an order withdrawn meanwhile holds"""
        self.running()
        pid = self.vmm()
        self.host.kill()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "the stand-in ends")
        self.broker.order(D1, want="stopped", epoch=2)
        self.host.start()
        self.state(D1, "stopped")
        with open(f"{self.host.state}/desktops/{D1}/disk.overlay", encoding="utf-8") as file:
            self.assertEqual(file.read(), "started\n")

    def test_broker_away(self):
        """with the broker away desktops go on and are brought back; afterwards it hears of it"""
        self.running()
        self.broker.away = True
        with self.broker.changed:
            self.broker.changed.notify_all()
        until(lambda: "sync.fail" in self.host.log_text(), self.host.log_text)
        pid = self.vmm()
        os.kill(pid, signal.SIGKILL)
        until(lambda: (v := self.host.record(D1)["vmm"]) and v["pid"] != pid, self.host.log_text)
        self.broker.away = False
        self.reason(D1, "signal 9", 5)

    def test_only_one(self):
        """a second agent on the same state directory is refused"""
        self.host.start()
        done = self.host.command()
        self.assertEqual(done.returncode, 1)
        self.assertIn("another pane-host runs", done.stderr)

    def test_desktops_stop(self):
        """pane-host desktops stop ends every desktop without the agent; the next agent starts them"""
        self.running()
        pid = self.vmm()
        self.host.kill()
        self.assertIn("ready", self.host.command("desktops", "list").stdout)
        done = self.host.command("desktops", "stop")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(alive(pid))
        self.host.start()
        self.state(D1, "ready")


class Door(Story):
    def test_view(self):
        """a viewer reaches the display, bytes flow, and the broker hears of it coming and going"""
        self.running()
        gate = Gateway(self.host)
        self.assertEqual(gate.open(D1), {"ok": True})
        self.assertEqual(gate.line(), "hello alice")
        gate.sock.sendall(b"x" * 200000 + b"\n")
        self.assertEqual(len(gate.take(200001)), 200001)
        row = until(lambda: self.broker.seen(D1)["viewers"] and self.broker.seen(D1), "viewer reported", 3)
        for viewer in row["viewers"]:
            viewer.pop("idle_s", None)
        self.assertEqual(row["viewers"], [{"conn": "c0nn", "user": "alice", "protocol": "rfb", "client": "192.0.2.1:1234"}])
        gate.close()
        until(lambda: not self.broker.seen(D1)["viewers"], "viewer gone", 3)

    def idle(self, conn):
        return next((v.get("idle_s") for v in self.broker.seen(D1)["viewers"] if v["conn"] == conn), None)

    def test_idle(self):
        """how long a viewer has done nothing is reported, and at once when it is longer than its pool allows"""
        self.running()
        self.broker.order(D1, policy={"idle_s": 3})
        one = Gateway(self.host)
        self.assertTrue(one.open(D1, conn="one")["ok"])
        one.line()
        until(lambda: (self.idle("one") or 0) >= 3, "the idle viewer's report", 15)
        one.sock.sendall(b"here\n")
        self.assertEqual(one.line(), "here")
        two = Gateway(self.host)  # its coming is reported, and with it who types again
        self.assertTrue(two.open(D1, conn="two")["ok"])
        until(lambda: self.idle("one") == 0, "the report of both", 3)

    def told(self):
        """What the display was last told to show: {id: (text, ms)}."""
        try:
            with open(f"{self.host.run}/{D1}/told", encoding="utf-8") as file:
                last = file.readlines()[-1]
        except (FileNotFoundError, IndexError):
            return None
        return {m["id"]: (m["text"], m["ms"]) for m in json.loads(last)["list"]}

    def test_messages(self):
        """what an order says is to be shown reaches the display, also one that starts later, with the time that is left, and is taken back with it"""
        self.running()
        self.broker.order(D1, messages=[{"id": "1", "text": "Grüße", "left_ms": 60000, "idle": False}])
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        until(lambda: (self.told() or {}).get("1", ("", 0))[0] == "Grüße", "the message", 5)
        both = [{"id": i, "text": t, "left_ms": 90000, "idle": False} for i, t in (("1", "Grüße"), ("2", "Later"))]
        self.broker.order(D1, messages=both)
        until(lambda: len(self.told()) == 2, "both", 5)
        self.assertLess(self.told()["1"][1], 60001)
        self.assertGreater(self.told()["2"][1], 80000)
        os.kill(self.host.record(D1)["display"]["pid"], signal.SIGKILL)
        os.unlink(f"{self.host.run}/{D1}/told")
        self.assertTrue(Gateway(self.host).open(D1)["ok"])
        until(lambda: len(self.told() or ()) == 2, "both, on the next display", 5)
        self.broker.order(D1, messages=[])
        until(lambda: self.told() == {}, "neither", 5)

    def test_early_bytes(self):
        """bytes that follow the preface at once reach the display"""
        self.running()
        gate = Gateway(self.host)
        grant = gate.grant(D1)
        preface = {"grant": grant, "protocol": "rdp", "conn": "c0nn", "client": "c", "user": "alice", "desktop": D1}
        gate.sock.sendall(rig.frame(preface) + b"early\n")
        self.assertEqual(gate.answer(), {"ok": True})
        self.assertEqual((gate.line(), gate.line()), ("hello alice", "early"))

    def test_grants(self):
        """replayed, expired, foreign, forged and older-epoch grants are told apart and refused"""
        self.running(epoch=4)
        fine = Gateway(self.host).grant(D1, epoch=4)
        self.assertTrue(Gateway(self.host).open(D1, fine)["ok"])
        forged = fine[:-4] + ("AAAA" if fine[-4:] != "AAAA" else "BBBB")
        make = Gateway(self.host).grant
        for grant, code in ((fine, "grant.used"), (forged, "grant.signature"),
                            (make(D1, epoch=4, exp=int(time.time()) - 5), "grant.expired"),
                            (make(D1, epoch=4, host=str(uuid.uuid4())), "grant.host"),
                            (make(D1, epoch=3), "grant.epoch"), (make(D1, epoch=5), "grant.epoch"),
                            (make(D1, epoch=4, user="bob"), "grant.form"),
                            (make(D2, epoch=4), "grant.form"), ("pg1.x", "grant.form")):
            self.assertEqual(Gateway(self.host).open(D1, grant).get("code"), code)

    def test_replay_after_restart(self):
        """a grant used just before a crash of the agent does not open the door after it"""
        self.running()
        gate = Gateway(self.host)
        grant = gate.grant(D1)
        self.assertTrue(gate.open(D1, grant)["ok"])
        self.host.kill()
        self.host.start()
        self.assertEqual(Gateway(self.host).open(D1, grant).get("code"), "grant.used")

    def test_broker_clock(self):
        """expiry is judged by the broker's clock, not by the host's"""
        self.broker.clock_skew_s = 3600
        self.running()
        self.assertEqual(Gateway(self.host).open(D1).get("code"), "grant.expired")
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1, gate.grant(D1, exp=int(time.time()) + 3630))["ok"])

    def test_unknown_and_stopped(self):
        """a desktop that is not here, or not running, is said so"""
        self.running()
        self.assertEqual(Gateway(self.host).open(D2)["code"], "desktop.unknown")
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped")
        self.assertEqual(Gateway(self.host).open(D1)["code"], "desktop.starting")

    def test_fence(self):
        """a new epoch ends the viewers of the old one and leaves the desktop alone"""
        self.running()
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        gate.line()
        pid = self.vmm()
        self.broker.order(D1, epoch=2)
        self.assertEqual(gate.sock.recv(1), b"")
        self.assertTrue(alive(pid))
        fresh = Gateway(self.host)
        self.assertTrue(fresh.open(D1, fresh.grant(D1, epoch=2))["ok"])

    def test_drop(self):
        """the broker can end one viewer by its connection id"""
        self.running()
        one, two = Gateway(self.host), Gateway(self.host)
        self.assertTrue(one.open(D1, conn="one")["ok"] and two.open(D1, conn="two")["ok"])
        one.line(), two.line()
        self.broker.order(D1, drop=["one"])
        self.assertEqual(one.sock.recv(1), b"")
        two.sock.sendall(b"still\n")
        self.assertEqual(two.line(), "still")

    def test_display_killed(self):
        """kill -9 of pane-display: the viewer is dropped, the next one gets a new display, the desktop stays"""
        self.running()
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        gate.line()
        before = self.host.record(D1)
        os.kill(before["display"]["pid"], signal.SIGKILL)
        self.assertEqual(gate.sock.recv(1), b"")
        again = Gateway(self.host)
        self.assertTrue(again.open(D1)["ok"])
        after = self.host.record(D1)
        self.assertNotEqual(after["display"]["pid"], before["display"]["pid"])
        self.assertEqual(after["vmm"], before["vmm"])

    def test_policy(self):
        """the pool's words on clipboard and sound reach the display; another word ends it, the next viewer's has it"""
        self.running(policy={"clipboard": "out"})
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        gate.line()
        self.assertIn("--clipboard\0out\0", self.display_argv())
        self.broker.order(D1, policy={"clipboard": "none"})
        self.assertEqual(gate.sock.recv(1), b"")
        again = Gateway(self.host)
        self.assertTrue(again.open(D1)["ok"])
        again.line()
        self.assertIn("--clipboard\0none\0--audio\0both\0--monitors\x0016\0", self.display_argv())
        self.broker.order(D1, policy={"clipboard": "none", "audio": "in", "monitors": 2})
        self.assertEqual(again.sock.recv(1), b"")
        last = Gateway(self.host)
        self.assertTrue(last.open(D1)["ok"])
        self.assertIn("--clipboard\0none\0--audio\0in\0--monitors\x002\0", self.display_argv())

    def test_share(self):
        """a machine begins with its pool's memory and rates; other rates reach it while it runs, also when the agent was away"""
        self.running(policy={"memory": {"merge": True, "huge": False}, "limits": {"disk": {"bytes_per_s": 1000000, "ops_per_s": 50}}})
        argv = self.vmm_argv()
        self.assertIn("--memory-merge\0", argv)
        self.assertNotIn("--memory-huge", argv)
        self.assertIn("--disk-limit\0bytes=1000000,ops=50\0", argv)
        self.assertNotIn("--net-limit", argv)
        before = self.host.record(D1)["vmm"]
        self.broker.order(D1, policy={"limits": {"net": {"bytes_per_s": 5000}}})
        until(lambda: self.limits() == {"disk": {"bytes_per_s": 0, "ops_per_s": 0}, "net": {"bytes_per_s": 5000, "ops_per_s": 0}}, self.limits, 30)
        self.host.kill()
        self.broker.order(D1, policy={"limits": {"net": {"bytes_per_s": 0, "ops_per_s": 7}}})
        self.host.start()
        until(lambda: self.limits()["net"] == {"bytes_per_s": 0, "ops_per_s": 7}, self.limits, 30)
        self.assertEqual(self.host.record(D1)["vmm"], before)

    def test_turn(self):
        """no more desktops start at once than the host is told; the next one says that it waits, and starts when one is through"""
        self.host.settings.update(starts_at_once=1)
        self.host.write_config()
        self.host.image("slow", cmdline="standin.slow")
        self.host.image()
        self.host.start()
        self.broker.order(D1, image="slow")
        self.state(D1, "booting", 30)
        self.broker.order(D2)
        self.reason(D2, "waiting for its turn: 1 of at most 1 desktops start", 30)
        self.broker.order(D1, want="stopped")
        self.state(D2, "ready", 30)

    def test_balloon(self):
        """where memory is short an idle machine gives back what its guest and the kernel say is there, and has it again when somebody connects; another agent knows"""
        self.host.settings.update(balloon_below_mib=1 << 20, balloon_idle_s=0)
        self.host.write_config()
        self.running(image="free=450 hold=200", memory_mib=512)
        target = lambda: json.loads(self.host.control(D1, op="balloon"))["target_mib"]
        until(lambda: target() == 384, target, 30) # a quarter is left it
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        self.assertEqual(target(), 0) # told before the display answered
        gate.sock.close()
        until(lambda: target() == 384, target, 30)
        self.host.kill()
        self.host.start()
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        until(lambda: target() == 0, target, 30)

    def recorded(self, check, say):
        """The recordings last reported, when they are so."""
        return until(lambda: (x := self.broker.recordings) is not None and check(x) and [x], lambda: f"{say}: {self.broker.recordings}", 30)[0]

    def test_recording(self):
        """a recorded session is reported while and after it goes on, brought to the broker as far as it is wanted, and deleted when ordered"""
        self.running()
        self.broker.order(D1, policy={"recording": True, "recording_days": 7})
        gate = Gateway(self.host)
        until(lambda: self.host.record(D1)["recording"], "the policy is known", 30)
        self.assertTrue(gate.open(D1)["ok"])
        gate.line()
        (one,) = self.recorded(lambda x: len(x) == 1, "one that goes on")
        self.assertEqual((one["desktop"], one["name"], one["ended"], one["days"]), (D1, "office-1", 0, 7))
        path = f"{self.host.state}/recordings/{one['id']}.mkv"
        until(lambda: os.path.getsize(path) == 2000000, "the display writes it", 30)
        gate.close()
        one = self.recorded(lambda x: all(r["ended"] for r in x), "its end")[0]
        self.assertEqual((one["bytes"], one["why"]), (2000000, ""))
        self.broker.say(send_recordings=[{"id": one["id"], "from": 0, "to": 1000000, "serial": 1}])
        until(lambda: sum(len(d) for _, d in self.broker.pieces) == 1000000, "what is wanted", 30)
        self.broker.say(send_recordings=[{"id": one["id"], "from": 500000, "to": 9000000, "serial": 1}])
        until(lambda: sum(len(d) for _, d in self.broker.pieces) == 2000000, "the rest, once", 30)
        with open(path, "rb") as file:
            self.assertEqual(b"".join(d for _, d in self.broker.pieces), file.read())
        self.assertEqual(self.broker.pieces[0][0], f"/internal/v1/hosts/{self.broker.host}/recordings/{one['id']}?offset=0")
        self.broker.say(send_recordings=[], drop_recordings=[r["id"] for r in self.broker.recordings])
        self.recorded(lambda x: not x, "none any more")
        self.assertEqual(os.listdir(f"{self.host.state}/recordings"), [])

    def test_recording_required(self):
        """a recording that fails ends a session that must be recorded, and no other; where none can begin nobody is let in"""
        self.running()
        open(f"{self.host.run}/{D1}/full", "wb").close()
        self.broker.order(D1, policy={"recording": True})
        until(lambda: self.host.record(D1)["recording"], "the policy is known", 30)
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        gate.line()
        until(lambda: "recording.fail" in self.host.log_text(), "the failure", 30)
        gate.sock.sendall(b"x")
        self.assertEqual(gate.sock.recv(1), b"x")
        self.broker.order(D1, policy={"recording": True, "recording_required": True})
        until(lambda: self.host.record(D1)["recording_required"], "the policy is known", 30)
        gate.close()
        until(lambda: not self.broker.seen(D1).get("viewers"), "it is gone", 30)
        last = Gateway(self.host)
        self.assertTrue(last.open(D1)["ok"])
        last.sock.settimeout(60)
        while last.sock.recv(4096):
            pass  # it said hello, and is ended
        shutil.rmtree(f"{self.host.state}/recordings")
        open(f"{self.host.state}/recordings", "wb").close()
        answer = Gateway(self.host).open(D1)
        self.assertEqual((answer["ok"], answer["code"]), (False, "display.recording"))

    def display_argv(self):
        with open(f"/proc/{self.host.record(D1)['display']['pid']}/cmdline", encoding="utf-8") as file:
            return file.read()

    def test_wrong_certificate(self):
        """a certificate of another kind, or none, gets nowhere"""
        self.running()
        for cert in ("intruder", None):
            with self.assertRaises((OSError, EOFError)):
                Gateway(self.host, cert).open(D1)

    def test_garbage(self):
        """garbage on the port costs that connection only"""
        self.running()
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        gate.line()
        for junk in (b"GET / HTTP/1.0\r\n\r\n", os.urandom(5000), b"\x16\x03\x01\xff\xff" + b"\0" * 100):
            with socket.create_connection(("127.0.0.1", self.host.port), 5) as raw:
                raw.sendall(junk)
                raw.settimeout(5)
                try:
                    while raw.recv(4096):
                        pass
                except ConnectionError:
                    pass
        for junk in (b"hello there", b"PANE\0\2\0\0", b"PANE\0\1\xff\xff", b"PANE\0\1\0\2[]", rig.frame({"a": "b" * 3000})):
            bad = Gateway(self.host)
            bad.sock.sendall(junk)
            self.assertEqual(bad.answer()["ok"], False)
            self.assertEqual(bad.sock.recv(1), b"")
        gate.sock.sendall(b"still\n")
        self.assertEqual(gate.line(), "still")

    def test_silence(self):
        """a connection that says nothing is closed after ten seconds"""
        self.running()
        gate = Gateway(self.host)
        begin = time.monotonic()
        try:
            self.assertEqual(gate.sock.recv(1), b"")
        except ssl.SSLEOFError:
            pass
        self.assertTrue(8 < time.monotonic() - begin < 12)


class Ending(Story):
    def test_term(self):
        """SIGTERM ends the agent at once, in order, and leaves the desktops running"""
        self.running()
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"])
        self.host.proc.terminate()
        self.assertEqual(self.host.proc.wait(5), 0, self.host.log_text())
        self.assertTrue(alive(self.vmm()))
        self.host.start()
        self.state(D1, "ready")


class FullDisk(Story):
    """The state directory on a small file system of its own, in a mount namespace of the story."""

    def test_full(self):
        """a full disk is refused with the reason, and the desktop starts once there is room"""
        self.host.image()
        self.host.settings["disk_reserve_mib"] = 1 << 20
        self.host.write_config()
        self.host.start()
        self.broker.order(D1)
        self.assertIn("the disk of this host is full", self.state(D1, "failed")["reason"])
        self.host.kill()
        self.host.settings["disk_reserve_mib"] = 0
        self.host.write_config()
        self.host.start()
        self.state(D1, "ready")

    def test_no_space(self):
        """ENOSPC while a desktop is made is a reason in the report; the agent and its desktops go on"""
        small = tempfile.mkdtemp(prefix="ph-small-", dir="/tmp")
        self.addCleanup(os.rmdir, small)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], capture_output=True, check=False)
        if mount.returncode:
            self.skipTest("cannot mount a tmpfs here (needs root)")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        self.addCleanup(self.host.stop)  # before the unmount: its records are in there
        shutil.copytree(self.host.state, f"{small}/state")
        self.host.state = f"{small}/state"
        self.host.write_config()
        self.running(memory_mib=64)
        filler = os.open(f"{small}/filler", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while os.write(filler, b"x" * 4096):
                pass
        os.close(filler)
        self.broker.order(D2, name="office-2")
        self.assertIn("disk", self.state(D2, "failed")["reason"].replace("No space left on device", "disk"))
        self.assertTrue(alive(self.vmm()))
        os.unlink(f"{small}/filler")
        self.state(D2, "ready", 12)


class Enrolment(Story):
    def test_twice(self):
        """an enrolled host is not enrolled again by accident, and a used token is refused"""
        done = self.host.command("enroll", "--token", "x")
        self.assertIn("already enrolled", done.stderr)
        done = self.host.command("enroll", "--token", "-", "--force", input="used\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unknown or used token (id abc)", done.stderr)
        self.host.start()
        self.assertEqual(os.stat(f"{self.host.state}/identity/host.key").st_mode & 0o777, 0o600)

    def test_not_enrolled(self):
        """without an identity the agent says how to get one"""
        shutil.rmtree(f"{self.host.state}/identity")
        done = self.host.command()
        self.assertEqual(done.returncode, 1)
        self.assertIn("pane hosts create", done.stderr)


class Images(Story):
    def test_image_commands(self):
        """image add is idempotent, list shows it, remove refuses while a desktop needs it"""
        first, second = self.host.image(), self.host.image()
        self.assertEqual(first, second)
        self.assertRegex(self.host.command("image", "list").stdout, r"office +[0-9a-f]{16} +1  current")
        self.host.start()
        self.broker.order(D1)
        self.state(D1, "ready")
        self.assertIn("is the base of desktop", self.host.command("image", "remove", "office").stderr)
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D1, "absent")
        self.assertEqual(self.host.command("image", "remove", "office").returncode, 0)

    def test_broken_image(self):
        """a directory that is no image is refused with what it lacks"""
        os.makedirs(f"{self.dir}/empty")
        self.assertIn("image.json", self.host.command("image", "add", f"{self.dir}/empty").stderr)
