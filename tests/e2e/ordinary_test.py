# SPDX-License-Identifier: GPL-3.0-or-later
"""A host agent that an ordinary user runs: containers for people with real viewers, and root nowhere. Its TestCase is a Story of
container_test.py."""
import os
import subprocess
import unittest

import cell
import container_test
import ordinary
import whole

TIMEOUT = 240


class UsersHost(whole.Whole):
    """A site whose pane-host and desktops are an ordinary user's; database, broker and gateway are another machine's as it were."""

    def __init__(self, account):
        self.account = account
        super().__init__()
        folder = os.path.dirname(cell.image())
        os.makedirs(self.images)
        os.symlink(folder, f"{self.images}/{os.path.basename(folder)}")

    def host_command(self, *words):
        return [*self.account.prefix(), *super().host_command(*words)]

    def write_host_conf(self):
        super().write_host_conf()
        self.give(f"{self.sockets}/host", f"{self.run}/host")
        with open(f"{self.pki}/ca.crt", "rb") as source, open(f"{self.conf}/ca.crt", "wb") as target:
            target.write(source.read())  # the rest of that directory is not for everybody
        with open(f"{self.conf}/host.conf", encoding="utf-8") as file:
            text = file.read()
        with open(f"{self.conf}/host.conf", "w", encoding="utf-8") as file:
            file.write(text.replace(f"{self.pki}/ca.crt", f"{self.conf}/ca.crt"))

    @staticmethod
    def give(*folders):
        for folder in folders:
            os.chown(folder, ordinary.UID, ordinary.UID)
            os.chmod(folder, 0o700)


def ids(pid):
    """Real, effective, saved and file-system user ids of a process, as this machine counts."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return {int(word) for line in file if line.startswith("Uid:") for word in line.split()[1:]}


class Ordinary(container_test.Story):
    @classmethod
    def setUpClass(cls):
        if os.geteuid():
            raise unittest.SkipTest("the story makes its ordinary user itself, for which it must be root")
        user = ordinary.User()
        cls.addClassCleanup(user.close)
        probe = cell.json.loads(subprocess.check_output([*user.prefix(), cell.PROGRAM, "--probe"]))
        why = cell.why_not() or (probe["why"] if probe["cell"] != "user" else None)
        if why:
            raise unittest.SkipTest(why)
        cls.probe = probe
        cls.site = UsersHost(user).up()
        cls.passwords = {}

    def processes(self):
        """Everything that the agent and its desktops run now: pid to name."""
        return {pid: cell.comm(pid) for pid in cell.tree(self.site.pid("host")) if cell.comm(pid)}

    def test_typing(self):
        """a person logs in with xfreerdp and TigerVNC at a user's host and types; no process of it is root, the desktop has a network"""
        self.pool("alice")

        def act(screen, desktop):
            word = self.write(screen, desktop)
            screen.type("ip -4 -br addr >net; cat /proc/net/route >>net; id -u >id\n")
            self.site.wait(lambda: cell.home_text(self.site, desktop, "id") == "1000", 20, "the user's id inside")
            names = self.processes()
            self.assertLessEqual({"pane-host", "pane-cell", "pane-display", "bwrap", "Xvfb", "icewm", "bash"}, set(names.values()))
            for pid, name in names.items():
                with self.subTest(name=name):
                    allowed = {ordinary.UID} if name in ("pane-host", "pane-display", "fuse2fs") else None
                    for uid in ids(pid):
                        self.assertTrue(uid == ordinary.UID or ordinary.FIRST <= uid < ordinary.FIRST + 65536, (name, uid))
                        self.assertTrue(allowed is None or uid in allowed, (name, uid))
            return word
        word = self.visit("alice", act)
        desktop = self.site.desktop_of("alice")
        net = cell.home_text(self.site, desktop, "net")
        self.assertIn("10.0.2.100/24", net)
        self.visit("alice", self.write, "vncviewer")
        self.assertNotEqual(cell.home_text(self.site, desktop, "word"), word)

    def test_told(self):
        """what its desktops go without is in `pane hosts`: which limits there are, and why not the others"""
        self.site.pane_login()
        text = self.site.pane("hosts", "list")
        print("".join(f"# {line}\n" for line in text.splitlines()), end="")
        self.assertIn("no limit for disk space", text)
        self.assertIn(self.probe["lacks"], " ".join(text.split()))

    def test_logout(self):
        """an agent that is killed and started again finds its desktop; a logout ends it and nothing of it stays"""
        desktop = self.site.desktop_of("alice")
        old, machine = self.site.pid("host"), self.site.process_of(desktop, "vmm")
        os.kill(old, 9)
        self.site.wait(lambda: self.site.pid("host") not in (None, old), 20, "the next pane-host")
        self.site.wait(lambda: self.site.admin.items("/hosts")[0]["state"] == "online", 20, "the host's report")
        self.assertEqual(self.site.process_of(desktop, "vmm"), machine)
        inside = cell.tree(machine)
        os.kill(next(p for p in inside if cell.comm(p) == "icewm-session"), 15)
        self.site.wait(lambda: self.site.process_of(desktop, "vmm") not in (None, machine), 30, "the next session")
        self.site.wait_state(desktop["name"], "ready")
        self.site.wait(lambda: not any(os.path.exists(f"/proc/{p}") and cell.comm(p) for p in inside), 10, "the old one's end")
        self.assertTrue(cell.home_text(self.site, self.site.desktop_of("alice"), "word"))

    def test_recycled(self):
        """a recycled desktop's files are removed, hostile trees too, although they are nobody's of this host; so is a home that is given up"""
        desktop = self.site.desktop_of("alice")
        folder, home = f"{self.site.run}/host/desktops/{desktop['id']}", f"{self.site.run}/host/homes"

        def act(screen, _):
            screen.type("mkdir -m 0 /var/tmp/shut; cd /var/tmp; for i in $(seq 40); do mkdir $(printf %0200d) && cd $(printf %0200d); done; "
                        "touch x; cd; mkdir -p a/b; touch a/b/c; chmod 0 a/b; echo made >made\n")
            self.site.wait(lambda: cell.home_text(self.site, desktop, "made") == "made", 20, "hostile trees")
        self.visit("alice", act)
        self.assertTrue(os.path.exists(f"{folder}/upper/upper/var/tmp/shut"))
        self.assertEqual(len(os.listdir(home)), 1)
        self.site.admin.post(f"/desktops/{desktop['name']}/recycle", {})
        self.site.wait(lambda: not os.path.exists(f"{folder}/upper/upper/var/tmp/shut"), 30, "the desktop's files' end")
        self.site.wait(lambda: any(d["state"] == "ready" for d in self.site.admin.items("/desktops")), 30, "a new desktop")
        pool = desktop["pool"]
        self.site.admin.call("DELETE", f"/pools/{pool}?force=true")
        self.site.wait(lambda: not os.listdir(f"{self.site.run}/host/desktops"), 30, "the desktops' end")
        for found in self.site.admin.items("/homes"):
            self.site.admin.call("DELETE", f"/homes/{found['key']}")
        self.site.wait(lambda: not os.listdir(home), 30, "the home's end")


if __name__ == "__main__":
    unittest.main()
