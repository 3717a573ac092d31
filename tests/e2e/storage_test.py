# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts that share the storage of their users' files: one of them dies with a person's desktop on it, and the person
goes on at the other one, in a container desktop with the same files."""
import os
import signal
import subprocess
import unittest

import cell
import container_test
import whole
from demolib.process import is_alive, read_json
from demolib.site import free_port

TIMEOUT = 240


class TwoHosts(whole.Whole):
    """The site's own host, "local", and "second", which the story can let die as a whole."""

    def __init__(self):
        super().__init__()
        self.policy |= {"host_lost_s": 4, "host_gone_s": 2}
        self.second = None
        folder = os.path.dirname(cell.image())
        os.makedirs(self.images)
        os.symlink(folder, f"{self.images}/{os.path.basename(folder)}")

    def write_host_conf(self):
        super().write_host_conf()
        with open(f"{self.conf}/host.conf", encoding="utf-8") as file:
            own = file.read().replace("[host]\n", f"[host]\nhomes_dir = {self.run}/shared\nhomes_shared = yes\n")
        other = own.replace(str(self.ports["host"]), str(free_port())).replace("\nname = local\n", "\nname = second\n")
        for text, name in ((own, "host"), (other.replace(f"{self.run}/host", f"{self.run}/second")
                                           .replace(f"{self.sockets}/host", f"{self.sockets}/second"), "second")):
            with open(f"{self.conf}/{name}.conf", "w", encoding="utf-8") as file:
                file.write(text)

    def up(self):
        super().up()
        try:
            os.makedirs(f"{self.run}/second")
            os.symlink(self.images, f"{self.run}/second/images")
            done = subprocess.run(self.command("enroll", "--token", "-"), input=self.admin.post("/hosts", {"name": "second"})["token"] + "\n",
                                  text=True, check=False, capture_output=True)
            if done.returncode:
                raise whole.SiteError(done.stderr)
            self.start_second()
        except BaseException:
            self.down()
            raise
        return self

    def command(self, *words):
        return [self.program("pane-host"), *words, "--config", f"{self.conf}/second.conf"]

    def start_second(self):
        with open(f"{self.logs}/second.log", "ab") as log:
            self.second = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait(lambda: self.host("second")["state"] == "online", 60, "the second host's report")

    def host(self, name):
        return next(h for h in self.admin.items("/hosts") if h["name"] == name)

    def process_of(self, desktop, role):
        entries = [read_json(f"{self.run}/{host}/desktops/{desktop['id']}/state.json", {}).get(role) for host in ("host", "second")]
        return next((e["pid"] for e in entries if is_alive(e)), None)

    def lose_second(self):
        """Its power fails: the agent and everything it runs."""
        self.second.kill()
        self.second.wait()
        for desktop in os.listdir(f"{self.run}/second/desktops"):
            for role in ("display", "vmm"):
                entry = read_json(f"{self.run}/second/desktops/{desktop}/state.json", {}).get(role)
                if is_alive(entry):
                    os.kill(entry["pid"], signal.SIGKILL)

    def down(self):
        if self.second:
            self.second.terminate()
            self.second.wait()
            subprocess.run(self.command("desktops", "stop", "--now"), check=False, capture_output=True)
        super().down()


class Storage(container_test.Story):
    @classmethod
    def setUpClass(cls):
        why = cell.why_not()
        if why:
            raise unittest.SkipTest(why)
        cls.site = TwoHosts().up()
        cls.passwords = {}

    def enter(self, user, pool, act):
        """As somebody does who waits at the portal until their desktop is there."""
        api = self.site.api().login(user, self.passwords[user])
        self.site.wait(lambda: api.call("POST", "/tickets", {"pool": pool})[0] == 200, 60, f"a desktop of {user}")
        return self.visit(user, act)

    def test_lost(self):
        """a host dies under somebody's work: they are let in again, on the other host, and what they had written is there"""
        marks = {h["storage"] for h in self.site.admin.items("/hosts")}
        self.assertTrue(len(marks) == 1 and marks.pop(), marks)
        self.site.admin.post("/hosts/local/drain", {"reason": "so that the desktop begins on the second"})
        pool = self.pool("alice", assignment="floating", size_max=3, spare=1)
        word = self.enter("alice", pool, self.write)
        old = self.site.desktop_of("alice")
        self.assertEqual(old["host"], "second")
        self.site.admin.post("/hosts/local/undrain", {})
        self.site.lose_second()
        self.site.wait_state(old["name"], "lost")

        def found(_, desktop):
            self.assertEqual(desktop["host"], "local")
            self.site.wait(lambda: cell.home_text(self.site, desktop, "word") == word, 20, "what alice had written")
        self.enter("alice", pool, found)
        self.site.start_second()
        self.site.wait(lambda: not [d for d in self.site.admin.items("/desktops") if d["name"] == old["name"] and d["state"] == "lost"],
                       60, "the second host is done with the lost desktop")
        self.assertEqual(cell.home_text(self.site, self.site.desktop_of("alice"), "word"), word)
        self.assertEqual(len([d for d in self.site.admin.items("/desktops") if d["pool"] == pool and d["user"] == "alice"]), 1)


if __name__ == "__main__":
    unittest.main()
