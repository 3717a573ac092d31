# SPDX-License-Identifier: GPL-3.0-or-later
"""R7: a gateway upgrade drops no session and refuses nobody: a new program takes the ports over while the old one
serves its sessions to their end."""
import os
import re
import shutil
import signal
import socket
import threading
import unittest

from tools.gateway_rig import GatewayRig, exactly, rfb_display, until_closed, wait_for

TIMEOUT = 240


class Upgrade(unittest.TestCase):
    def rig(self, **more):
        gw = GatewayRig(**more)
        self.addCleanup(gw.close)
        self.addCleanup(self.end_successors, gw)
        gw.host.handle = rfb_display
        return gw

    def end_successors(self, gw):
        for pid in self.successors(gw):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if gw.gateway.config.encode() in f.read():
                        os.kill(pid, signal.SIGTERM)
                        wait_for("the successor ends", lambda p=pid: not running(p), 20)
            except OSError:
                pass

    def successors(self, gw):
        return [int(p) for p in re.findall(r"upgrade.start pid=(\d+)", gw.log())]

    def session(self, gw):
        t = gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(t, 4), bytes(4))
        return t

    def alive(self, t):
        t.sendall(b"ping")
        self.assertEqual(exactly(t, 4), b"ping")

    def upgrade(self, gw, pid):
        """Asks the supervisor pid; returns its successor once that one serves."""
        before = gw.log().count("upgrade.done")
        os.kill(pid, signal.SIGUSR2)
        wait_for("the successor serves", lambda: gw.log().count("upgrade.done") == before + 1, 30)
        return self.successors(gw)[-1]

    def test_under_load(self):
        """Three upgrades under a stream of logins: no login fails, no live session loses a byte, old gateways end with their sessions"""
        gw = self.rig(workers=2)
        held = [self.session(gw) for _ in range(12)]
        failures, logins, stop = [], [0], threading.Event()

        def log_in():
            while not stop.is_set():
                try:
                    t = self.session(gw)
                    self.alive(t)
                    t.close()
                    logins[0] += 1
                except (OSError, AssertionError) as problem:
                    failures.append(repr(problem))

        def talk():
            try:
                while not stop.is_set():
                    for t in held:
                        self.alive(t)
            except (OSError, AssertionError) as problem:
                failures.append("live: " + repr(problem))

        threads = [threading.Thread(target=f) for f in (log_in, log_in, talk)]
        for t in threads:
            t.start()
        chain = [gw.gateway.process.pid]
        for _ in range(3):
            begin = logins[0]
            chain.append(self.upgrade(gw, chain[-1]))
            wait_for("logins go on", lambda b=begin: logins[0] > b + 5 or failures, 30)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertIsNone(gw.gateway.process.poll(), "the first gateway still serves its sessions")
        for t in held:
            self.alive(t)
            t.close()
        self.assertEqual(gw.gateway.process.wait(20), 0)
        wait_for("the ones in between end too", lambda: not any(running(p) for p in chain[1:3]))
        self.alive(self.session(gw))

    def test_new_program_and_configuration(self):
        """What runs afterwards is the program that lies there now, with the configuration as it is now"""
        gw = self.rig()
        folder = gw.dir + "/bin"
        os.mkdir(folder)
        copy = folder + "/pane-gateway"
        shutil.copy(gw.gateway.program, copy)
        gw.gateway.stop()
        gw.gateway.program = copy
        gw.gateway.start()
        live = self.session(gw)
        inode = os.stat(copy).st_ino
        shutil.copy(copy, folder + "/new")
        os.rename(folder + "/new", copy)
        self.assertNotEqual(os.stat(copy).st_ino, inode)
        with open(gw.gateway.config, encoding="ascii") as f:
            text = f.read()
        with open(gw.gateway.config, "w", encoding="ascii") as f:
            f.write(text.replace("workers = 1", "workers = 3\nper_source_max = 2"))
        successor = self.upgrade(gw, gw.gateway.process.pid)
        if not os.geteuid():
            self.assertEqual(os.stat(f"/proc/{successor}/exe").st_ino, os.stat(copy).st_ino)
        some = [self.session(gw) for _ in range(2)]
        third = gw.connect("rfb")
        self.assertEqual(until_closed(third), b"", "the new limit counts")
        for t in some + [live]:
            self.alive(t)

    def test_bad_successor(self):
        """A new program that does not come up changes nothing: the old one says so and goes on"""
        gw = self.rig()
        live = self.session(gw)
        with open(gw.gateway.config, encoding="ascii") as f:
            text = f.read()
        with open(gw.gateway.config, "a", encoding="ascii") as f:
            f.write("nonsense = 1\n")
        gw.gateway.process.send_signal(signal.SIGUSR2)
        wait_for("the failure is said", lambda: "upgrade.failed" in gw.log())
        self.alive(live)
        self.alive(self.session(gw))
        with open(gw.gateway.config, "w", encoding="ascii") as f:
            f.write(text)
        self.upgrade(gw, gw.gateway.process.pid)
        self.alive(live)
        self.alive(self.session(gw))

    def test_retire(self):
        """With retire_ms sessions of the old gateway end after that time; SIGTERM ends them within drain_ms"""
        gw = self.rig(retire_ms=1500)
        live = self.session(gw)
        self.upgrade(gw, gw.gateway.process.pid)
        self.alive(live)
        self.assertEqual(until_closed(live), b"")
        self.assertEqual(gw.gateway.process.wait(10), 0)
        self.alive(self.session(gw))

    def test_old_one_told_to_end(self):
        """SIGTERM to a retired gateway drains it within drain_ms and leaves the new one alone"""
        gw = self.rig(drain_ms=300)
        live = self.session(gw)
        self.upgrade(gw, gw.gateway.process.pid)
        self.alive(live)
        gw.gateway.process.terminate()
        self.assertEqual(until_closed(live), b"")
        self.assertEqual(gw.gateway.process.wait(10), 0)
        self.alive(self.session(gw))

    def test_service_manager(self):
        """The service manager is told READY and the main process's id, at the start and by a successor"""
        gw = self.rig()
        gw.gateway.stop()
        path = gw.dir + "/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(10)
            os.environ["NOTIFY_SOCKET"] = path
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET", None)
            gw.gateway.start()
            self.assertEqual(s.recv(200).decode(), f"READY=1\nMAINPID={gw.gateway.process.pid}\n")
            successor = self.upgrade(gw, gw.gateway.process.pid)
            self.assertEqual(s.recv(200).decode(), f"READY=1\nMAINPID={successor}\n")


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
