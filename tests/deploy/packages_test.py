# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages on a machine that knows nothing of Pane yet, by the words of docs/install.md: installed, set up, logged into,
upgraded, removed, under a real system manager with the units as they are shipped."""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import cell
import fresh
import whole

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIMEOUT = 600


# systemd-analyze security, 0 (safe) to 10: no unit may rise above its line. The agent's and the backup's reasons are in docs/security.md.
EXPOSED = {"pane-broker": 1.3, "pane-migrate": 1.3, "pane-gateway": 1.9, "pane-lobby": 0.6, "pane-host": 5.3, "pane-backup": 3.5, "pane-canary": 1.2}


def exposure(machine, unit):
    return float(re.search(r"level for \S+: ([\d.]+)", machine.run(f"systemd-analyze security {unit} --no-pager"))[1])


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = fresh.why_not()
        if why:
            raise unittest.SkipTest(why)
        for program in ("dh", "systemd-nspawn"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"{program} is missing: run 'make deps'")
        subprocess.run([f"{TOP}/deploy/deb"], check=True, stdout=subprocess.DEVNULL)
        cls.golden = None if cell.why_not() else os.path.dirname(cell.image())
        cls.cards = tempfile.mkdtemp(prefix="pane-cards-")
        cls.addClassCleanup(shutil.rmtree, cls.cards, True)
        os.chmod(cls.cards, 0o755)
        whole.make_card_image(f"{cls.cards}/card")
        cls.machine = fresh.Fresh(glob.glob(f"{TOP}/build/deb/*.deb"), cards=cls.cards, **({"golden": cls.golden} if cls.golden else {}))
        cls.addClassCleanup(cls.machine.down)
        try:
            cls.machine.up()
        except (RuntimeError, TimeoutError) as problem: # of the machine, on which there is nothing of Pane yet
            raise unittest.SkipTest(f"no second system manager runs here: {' '.join(str(problem).split())[-300:]}") from None

    def pane(self, words, stdin=""):
        return self.machine.run(f"pane {words}", stdin=stdin)

    def test_install(self):
        """the packages install with what Debian has, and nothing runs before the machine is set up"""
        self.machine.run("pg_dropcluster --stop 15 main; rm -rf /etc/postgresql/15; pg_createcluster 15 main; systemctl daemon-reload", check=False)
        self.machine.run("dpkg -i /root/debs/*.deb")
        for unit in ("pane-broker", "pane-gateway", "pane-lobby", "pane-host"):
            self.assertEqual(self.machine.run(f"systemctl is-enabled {unit}").strip(), "enabled")
            self.assertEqual(self.machine.run(f"systemctl is-active {unit}", check=False).strip(), "inactive")
        self.assertEqual(self.machine.run("systemd-analyze verify pane-broker.service pane-migrate.service pane-gateway.service "
                                          "pane-lobby.service pane-host.service pane-backup.service pane-canary.service 2>&1 | grep -F pane- ; true"), "")

    def test_site(self):
        """pane-setup site makes database, keys and an administrator, who logs in; a second run keeps everything"""
        said = self.machine.run("pane-setup site --name localhost --https 8443")
        type(self).password = re.search(r"password (\S+)", said)[1]
        for unit in ("pane-broker", "pane-gateway", "pane-lobby"):
            self.assertEqual(self.machine.run(f"systemctl is-active {unit}").strip(), "active")
        self.pane("login --server https://localhost:8443 --ca /etc/pane/pki/ca.crt --password-stdin admin", self.password + "\n")
        self.assertIn("admin", self.pane("me"))
        self.assertIn("<title>", self.machine.run("curl -sf --cacert /etc/pane/pki/ca.crt https://localhost:8443/"))
        again = self.machine.run("pane-setup site --name localhost --https 8443")
        self.assertNotIn("password", again)
        self.assertIn("kept /etc/pane/broker.conf", again)
        self.assertIn("admin", self.pane("me"))

    def test_rights(self):
        """the services run as accounts of their own, keys are theirs alone, and the units leave them little"""
        users = self.machine.run("for p in broker gateway; do ps -o user:20= -p $(systemctl show -P MainPID pane-$p); done").split()
        self.assertEqual(users, ["pane-broker", "pane-gateway"])
        for account, file in (("pane-gateway", "ca.key"), ("pane-gateway", "grant.key"), ("pane-owner", "ca.key"), ("pane-broker", "gateway.key"),
                              ("nobody", "ca.key"), ("nobody", "gateway.key")):
            self.assertIn("Permission denied", self.machine.run(f"runuser -u {account} -- cat /etc/pane/pki/{file}", check=False))
        self.assertIn("permission denied", self.machine.run("runuser -u pane-broker -- psql -d pane -c 'drop table pane.users'", check=False).lower()
                      .replace("must be owner", "permission denied"))
        seen = {unit: exposure(self.machine, unit) for unit in EXPOSED}
        print("# exposure: " + ", ".join(f"{unit} {value}" for unit, value in seen.items()), flush=True)
        self.assertEqual({unit: value for unit, value in seen.items() if value > EXPOSED[unit]}, {}, "more exposed than before")

    def test_lobby(self):
        """the gateway's account, and no other, reaches the lobby, whose display runs under the unit's restrictions"""
        ask = ("import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(20); "
               "s.connect('/run/pane-lobby/lobby.sock'); s.send(b'{}'); print(s.recv(8192))")
        self.assertIn("lobby = /run/pane-lobby/lobby.sock", self.machine.run("cat /etc/pane/gateway.conf"))
        self.assertIn("pane-lobby", self.machine.run("grep ^Groups /proc/$(systemctl show -P MainPID pane-gateway)/status | "
                                                     "cut -f2 | xargs -n1 getent group"))
        self.assertIn('"ok":true', self.machine.run(f'runuser -u pane-gateway -G pane-lobby -- python3 -c "{ask}"'))
        self.assertIn("Permission denied", self.machine.run(f'runuser -u nobody -- python3 -c "{ask}" 2>&1', check=False))
        self.machine.run("for i in $(seq 100); do pgrep -x pane-display || exit 0; sleep 0.1; done; exit 1")

    def test_host(self):
        """pane-setup host enrols the machine with a one-time token, and the site sees it"""
        token = json.loads(self.pane("hosts create h1 --json"))["token"]
        self.machine.run("pane-setup host --url https://localhost:8443 --address 127.0.0.1 --name h1 --token -", stdin=token + "\n")
        self.assertEqual(self.machine.run("systemctl is-active pane-host").strip(), "active")
        self.machine.run("for i in $(seq 100); do pane hosts list | grep -q '^h1 *online' && exit; sleep 0.1; done; exit 1")

    def test_host_desktops(self):
        """under the agent's unit as it is shipped a machine and a container with a network come up, and outlive a new start of the agent"""
        self.machine.like_hardware()
        self.machine.run("mkdir -p /var/lib/pane-host/images; ln -s /srv/cards/card /var/lib/pane-host/images; [ ! -e /srv/golden ] || "
                         "ln -s /srv/golden /var/lib/pane-host/images/debian; echo 'vm = always' >>/etc/pane/host.conf; systemctl restart pane-host")
        pools = {"machines": "card --memory 128"}
        if self.golden:
            pools["containers"] = "debian --isolation container --memory 768"
        for pool, more in pools.items():
            self.pane(f"pools create {pool} --spare 1 --size 1 --cpus 1 --image {more}")
        self.wait_desktops(len(pools))
        running = "pgrep -x 'pane-(vmm|cell)' | sort"
        before = self.machine.run(running)
        self.machine.run("systemctl restart pane-host")
        self.wait_desktops(len(pools))
        self.assertEqual(self.machine.run(running), before)
        if not self.golden:
            print("# no container was tried: there is no golden image here", flush=True)
        else: # the user's programs may start, and reach a network of their own
            self.machine.run("grep -q 'received tapfd' /var/lib/pane-host/desktops/*/session.log; pgrep -x Xvfb")
        for pool in pools:
            self.pane(f"pools delete {pool} --force")
        self.machine.run("for i in $(seq 600); do pgrep -x 'pane-(vmm|cell)' || exit 0; sleep 0.1; done; exit 1")

    def wait_desktops(self, count):
        self.machine.run(f"""for i in $(seq 600); do [ $(pane desktops list | grep -c ' ready ') = {count} ] && pane hosts list | grep -q '^h1 *online' &&
            exit; sleep 0.1; done; pane desktops list; cat /var/lib/pane-host/desktops/*/*.log; journalctl -u pane-host -n 20 --no-pager; exit 1""")

    def test_upgrade(self):
        """an upgrade hands the gateway's ports over without closing them, restarts the broker, and keeps the login"""
        before = self.machine.run("systemctl show -P MainPID pane-gateway").strip()
        self.machine.run("""(while [ ! -e /root/done ]; do curl -s -o /dev/null --cacert /etc/pane/pki/ca.crt https://localhost:8443/ ||
            echo failed; done) >/root/seen 2>&1 & dpkg -i /root/debs/*.deb; for i in $(seq 200); do
            p=$(systemctl show -P MainPID pane-gateway); [ $p != %s ] && [ $p != 0 ] && break; sleep 0.1; done; touch /root/done; wait""" % before)
        self.assertNotEqual(self.machine.run("systemctl show -P MainPID pane-gateway").strip(), before)
        self.assertEqual(self.machine.run("cat /root/seen"), "")
        self.machine.run("for i in $(seq 100); do pane me | grep -q admin && exit; sleep 0.1; done; exit 1")

    def test_crash(self):
        """a broker, a gateway and an agent that were killed are back by themselves"""
        for part in ("broker", "gateway", "host"):
            self.machine.run(f"systemctl kill --kill-whom=main -s KILL pane-{part}")
        self.machine.run("for i in $(seq 150); do pane me | grep -q admin && systemctl is-active -q pane-host && exit; sleep 0.1; done; exit 1")

    def test_doctor(self):
        """pane doctor finds nothing wrong with what pane-setup made but what this machine itself lacks"""
        found = json.loads(self.machine.run("pane doctor --json; true"))["checks"]
        failed = {c["id"]: c["text"] for c in found if c["status"] == "fail"}
        self.assertEqual({i for i in failed if not i.startswith("space.")} - {"container.probe"}, set(), failed)
        well = {c["id"] for c in found if c["status"] == "ok"}
        self.assertLessEqual({"database.reach", "database.schema", "unit.broker", "unit.gateway", "unit.host", "cert.gateway", "cert.host", "port.https",
                              "port.host", "config.broker", "config.gateway", "config.host", "version"}, well)

    def test_restore(self):
        """a backup of the site comes back on the machine when it has lost database and keys: the administrator's password, the host"""
        self.machine.run("pane-backup init --to /srv/repository && systemctl start pane-backup || { journalctl -u pane-backup --no-pager; exit 1; }")
        self.machine.run("systemctl stop pane-host pane-broker pane-gateway; runuser -u postgres -- dropdb pane; mkdir /root/kept; "
                         "mv /etc/pane/backup.* /root/kept; rm -rf /etc/pane; mkdir /etc/pane; mv /root/kept/* /etc/pane")
        self.machine.run("pane-backup restore site && pane-setup site --name localhost --https 8443 && systemctl start pane-host")
        self.assertIn("login", self.pane("me 2>&1; true"))
        self.pane("login --server https://localhost:8443 --ca /etc/pane/pki/ca.crt --password-stdin admin", self.password + "\n")
        self.machine.run("for i in $(seq 100); do pane hosts list | grep -q '^h1 *online' && exit; sleep 0.1; done; exit 1")

    def test_remove(self):
        """removed packages leave no process, and the site's data; installed again, all is there"""
        packages = "pane-broker pane-gateway pane-lobby pane-display pane-host pane-images pane-thin pane-cli"
        self.machine.run(f"dpkg -r {packages}")
        self.assertEqual(self.machine.run("pgrep -f '^/usr/bin/pane-'", check=False), "")
        self.machine.run("dpkg -i /root/debs/*.deb; for i in $(seq 100); do pane me | grep -q admin && exit; sleep 0.1; done; exit 1")
