# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Active Directory domain controller for tests: Samba, provisioned anew, of which the LDAP server runs on loopback. LDAP's
ports cannot be changed there, so the story that uses it is in a network of its own (tests/lib/apart.py). Gone afterwards."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

import slapd

SUFFIX = "DC=pane,DC=test"
PASSWORD = "Correct-Horse-9"
SYSTEM_PYTHON = "/usr/bin/python3"  # which Samba's modules are made for


def why_not():
    if not os.path.exists("/usr/sbin/samba") or not shutil.which("samba-tool"):
        return "samba-ad-dc is not installed"
    return None


class SambaDc:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="pane-")
        self.process = None
        slapd.Slapd.certificate(self)  # into self.root
        self.run("samba-tool", "domain", "provision", "--realm=PANE.TEST", "--domain=PANE", f"--adminpass={PASSWORD}", "--server-role=dc",
                 "--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1", f"--targetdir={self.root}/dc")
        self.config = f"{self.root}/dc/etc/smb.conf"
        with open(self.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text.replace("[global]", "[global]\n" + "\n".join((
                "\tserver services = ldap", "\tinterfaces = lo", "\tbind interfaces only = yes", "\ttls enabled = yes",
                f"\ttls keyfile = {self.root}/server.key", f"\ttls certfile = {self.root}/server.crt", f"\ttls cafile = {self.root}/ca.crt")), 1))
        os.chmod(f"{self.root}/server.key", 0o600)

    def run(self, *argv, text=None):
        done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stdout[-600:]}{done.stderr[-600:]}")
        return done.stdout

    def change(self, script):
        """Python of Samba's own, with "db" the domain's database."""
        head = ("from samba.samdb import SamDB\nfrom samba.auth import system_session\nfrom samba.param import LoadParm\nimport ldb\n"
                f"lp = LoadParm()\nlp.load({self.config!r})\n"
                f"db = SamDB(url={self.root + '/dc/private/sam.ldb'!r}, session_info=system_session(), lp=lp)\n")
        return self.run(SYSTEM_PYTHON, "-", text=head + script)

    def start(self):
        with open(f"{self.root}/samba.log", "wb") as log:
            self.process = subprocess.Popen(["/usr/sbin/samba", "-i", "-M", "single", f"--configfile={self.config}"], stdin=subprocess.PIPE,
                                            stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", 636), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    with open(f"{self.root}/samba.log", encoding="utf-8", errors="replace") as log:
                        raise RuntimeError(f"samba does not listen: {log.read()[-1000:]}") from None
                time.sleep(0.05)

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
        shutil.rmtree(self.root, ignore_errors=True)

    def settings(self, **more):
        """[directory] of a site whose people are in this domain."""
        with open(f"{self.root}/bind", "w", encoding="ascii") as file:
            file.write(PASSWORD + "\n")
        return {"uri": "ldaps://127.0.0.1:636", "ca_cert": f"{self.root}/ca.crt", "bind_dn": f"CN=pane-reader,CN=Users,{SUFFIX}",
                "bind_password_file": f"{self.root}/bind", "user_base": f"OU=People,{SUFFIX}", "group_base": f"OU=People,{SUFFIX}",
                "user_filter": "(&(objectClass=user)(objectCategory=person))", "user_name": "sAMAccountName", "full_name": "displayName",
                "group_filter": "(objectClass=group)", "sync_s": 0, **more}
