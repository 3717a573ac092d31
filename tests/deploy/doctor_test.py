# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-doctor against a whole machine's configuration, broken in one way after another: each fault is named by the line that is
meant for it, with a remedy, and by no other line that was well before."""
import glob
import json
import os
import shutil
import socket
import subprocess
import unittest

import broker as broker_mod
import panesite

TOP = broker_mod.SOURCE
DOCTOR = broker_mod.program("pane-doctor")
BIN = os.path.dirname(DOCTOR)
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site()
        cls.site.__enter__()
        cls.addClassCleanup(cls.site.close)
        cls.pki, cls.etc = cls.site.broker.pki, f"{cls.site.root}/etc"
        os.mkdir(cls.etc)
        shutil.copy(cls.site.broker.config, f"{cls.etc}/broker.conf")
        os.makedirs(f"{cls.site.root}/state/identity")
        for suffix in ("crt", "key"): # any good pair will do for a host
            shutil.copy(f"{cls.pki}/gateway.{suffix}", f"{cls.site.root}/state/identity/host.{suffix}")
        cls.ports = {"rdp": free_port(), "https": free_port()}
        cls.write("gateway.conf", "[gateway]\n" + "\n".join((
            f"rdp_listen = 127.0.0.1:{cls.ports['rdp']}", f"https_listen = 127.0.0.1:{cls.ports['https']}",
            f"cert = {cls.pki}/gateway.crt", f"key = {cls.pki}/gateway.key", f"ca = {cls.pki}/ca.crt", f"host_cert = {cls.pki}/gateway.crt",
            f"host_key = {cls.pki}/gateway.key", f"broker_api = {cls.site.broker.api}", f"broker_internal = {cls.site.broker.internal}")) + "\n")
        cls.write("host.conf", "\n".join((
            "[broker]", "url = https://127.0.0.1:1", f"ca = {cls.pki}/ca.crt", "[host]", "name = h1", "listen = 127.0.0.1:0", "advertise = 127.0.0.1:7443",
            f"state_dir = {cls.site.root}/state", f"run_dir = {cls.site.root}/run", "[desktops]", f"vmm = {BIN}/pane-vmm",
            f"display = {BIN}/pane-display", f"cell = {BIN}/pane-cell")) + "\n")

    @classmethod
    def write(cls, name, text):
        with open(f"{cls.etc}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def look(self, wrapper=(), etc=None):
        """Exit status, and the lines by id (of several with one id the worst)."""
        done = subprocess.run([*wrapper, DOCTOR, "--json", "--etc", etc or self.etc], capture_output=True, text=True, env=ENVIRONMENT, check=False)
        self.assertEqual(done.stderr, "")
        found = {}
        for line in json.loads(done.stdout)["checks"]:
            self.assertTrue(line["status"] == "ok" or line["remedy"], line)
            if line["status"] != "ok" or line["id"] not in found:
                found[line["id"]] = line
        return done.returncode, found

    def named(self, line, text, status="fail", **how):
        """The fault is on this line, and on no other that was well on the whole machine."""
        code, found = self.look(**how)
        self.assertIn(line, found)
        self.assertEqual(found[line]["status"], status, found[line])
        self.assertRegex(found[line]["text"], text)
        self.assertEqual(code, 1 if any(f["status"] == "fail" for f in found.values()) else 0)
        new = {i for i, f in found.items() if f["status"] == "fail" and i not in self.broken_before()}
        # A daemon's own check may find the same file.
        self.assertLessEqual(new, {line, "config.gateway", "config.broker"}, found)

    def broken_before(self):
        """What this machine itself lacks (a test machine may be short of disk, or have no systemd units)."""
        cls = type(self)
        if not hasattr(cls, "before"):
            cls.before = {i for i, f in self.look()[1].items() if f["status"] == "fail"}
        return cls.before

    def setUp(self):
        self.broken_before()

    def swap(self, path, text):
        """The file holds something else for this test."""
        shutil.copy(path, f"{path}.kept")
        self.addCleanup(os.replace, f"{path}.kept", path)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def edit(self, name, old, new):
        with open(f"{self.etc}/{name}", encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        self.swap(f"{self.etc}/{name}", text.replace(old, new))

    def certificate(self, *more):
        """A self-made certificate in place of the gateway's, for its key."""
        return subprocess.run(["openssl", "req", "-x509", "-new", "-key", f"{self.pki}/gateway.key", "-subj", "/CN=other", *more],
                              capture_output=True, text=True, check=True).stdout

    def signed(self, enddate, key="gateway.key"):
        """One of the site's CA, ending then."""
        work = f"{self.site.root}/ca"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        with open(f"{work}/conf", "w", encoding="ascii") as file:
            file.write(f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={work}\ndatabase={work}/index\nserial={work}/serial\ndefault_md=sha256\npolicy=p\n"
                       "x509_extensions=x\n[p]\n[x]\nsubjectAltName=DNS:localhost\n")
        with open(f"{work}/index", "w", encoding="ascii"):
            pass
        with open(f"{work}/serial", "w", encoding="ascii") as file:
            file.write("4101\n")
        subprocess.run(["openssl", "req", "-new", "-key", f"{self.pki}/{key}", "-subj", "/CN=gateway", "-out", f"{work}/csr"], check=True)
        subprocess.run(["openssl", "ca", "-batch", "-config", f"{work}/conf", "-cert", f"{self.pki}/ca.crt", "-keyfile", f"{self.pki}/ca.key",
                        "-in", f"{work}/csr", "-startdate", "20200101000000Z", "-enddate", enddate, "-notext", "-out", f"{work}/crt"],
                       check=True, capture_output=True)
        with open(f"{work}/crt", encoding="ascii") as file:
            return file.read()

    def test_01_whole(self):
        """a whole machine: certificates, database and schema are ok, every line has an id, and text says the same as JSON"""
        _, found = self.look()
        for line in ("cert.gateway", "cert.ca", "cert.relay", "cert.host", "database.reach", "database.schema", "database.primary", "clock.database",
                     "userns", "iommu", "config.broker", "config.gateway", "config.host"):
            self.assertEqual(found[line]["status"], "ok", found[line])
        text = subprocess.run([DOCTOR, "--etc", self.etc], capture_output=True, text=True, env=ENVIRONMENT, check=False).stdout
        for line in found:
            self.assertIn(f" {line} ", text)

    def test_02_expired(self):
        """an expired certificate of the gateway is named"""
        self.swap(f"{self.pki}/gateway.crt", self.signed("20210101000000Z"))
        _, found = self.look()
        self.assertRegex(found["cert.gateway"]["text"], "has expired")
        self.assertIn("pane-setup", found["cert.gateway"]["remedy"])

    def test_03_soon(self):
        """one that expires within three weeks is a warning"""
        soon = subprocess.run(["date", "-u", "-d", "+5 days", "+%Y%m%d%H%M%SZ"], capture_output=True, text=True, check=True).stdout.strip()
        self.swap(f"{self.pki}/gateway.crt", self.signed(soon))
        self.named("cert.gateway", "expires in [45] days", status="warn")

    def test_04_foreign(self):
        """a certificate of another CA toward the hosts is named; for browsers any CA will do"""
        self.swap(f"{self.pki}/gateway.crt", self.certificate("-addext", "subjectAltName=DNS:other"))
        self.named("cert.relay", "not issued by the site's CA")

    def test_05_key(self):
        """a certificate whose key is another's is named"""
        with open(f"{self.pki}/ca.key", encoding="ascii") as file:
            self.swap(f"{self.site.root}/state/identity/host.key", file.read())
        self.named("cert.host", "does not belong to the key")

    def test_06_nameless(self):
        """a certificate without a name or address is named"""
        self.edit("gateway.conf", f"cert = {self.pki}/gateway.crt\nkey", f"cert = {self.etc}/bare.crt\nkey")
        with open(f"{self.etc}/bare.crt", "w", encoding="ascii") as file:
            file.write(self.certificate())
        self.named("cert.gateway", "bears no name")

    def test_07_missing(self):
        """a CA that is gone is named"""
        os.rename(f"{self.pki}/ca.crt", f"{self.pki}/ca.away")
        self.addCleanup(os.rename, f"{self.pki}/ca.away", f"{self.pki}/ca.crt")
        _, found = self.look()
        self.assertEqual((found["cert.ca"]["status"], found["cert.host_ca"]["status"]), ("fail", "fail"))
        self.assertIn("backup", found["cert.ca"]["remedy"])

    def test_08_port(self):
        """a port that another program holds is named, with that program"""
        with socket.socket() as s:
            s.bind(("127.0.0.1", self.ports["https"]))
            s.listen()
            self.named("port.https", rf"taken by \S+ \(pid {os.getpid()}\)" if os.geteuid() == 0 else "taken by")

    def test_09_silent_port(self):
        """a port on which nobody listens is a warning that the gateway does not run"""
        self.named("port.rdp", "pane-gateway does not run", status="warn")

    def test_10_config(self):
        """a word that the broker does not know is said by its own check"""
        self.edit("broker.conf", "workers = 8", "wrokers = 8")
        self.named("config.broker", "wrokers")

    def test_11_schema(self):
        """a schema of another version is named with both"""
        cluster = self.site.cluster
        newest = cluster.sql("select max(name) from pane.migration", database=cluster.database)[0][0]
        for other, remedy in (("001_early.sql", "pane-migrate"), ("999_late.sql", "install")):
            cluster.sql("create table kept as table pane.migration; delete from pane.migration; "
                        f"insert into pane.migration (name, checksum) values ('{other}', '')", database=cluster.database)
            try:
                self.named("database.schema", f"at {other}, this broker's is {newest}")
                self.assertIn(remedy, self.look()[1]["database.schema"]["remedy"])
            finally:
                cluster.sql("delete from pane.migration; insert into pane.migration table kept; drop table kept", database=cluster.database)

    def test_12_full(self):
        """a full file system of images is named"""
        if os.geteuid() != 0:
            self.skipTest("needs root (a small tmpfs)")
        store = self.site.broker.store
        os.makedirs(store, exist_ok=True)
        inside = f"mount -t tmpfs -o size=4m tmpfs {store} && head -c 5m /dev/zero >{store}/big 2>/dev/null; exec \"$@\""
        self.named("space.images", r"0 MiB free \(0 %\)", wrapper=["unshare", "-m", "sh", "-c", inside, "sh"])

    def test_13_no_kvm(self):
        """a machine without KVM is named, and is well with vm = never"""
        if os.geteuid() != 0:
            self.skipTest("needs root (a mount over /dev/kvm)")
        wrapper = ["unshare", "-m", "sh", "-c", "[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm; exec \"$@\"", "sh"]
        self.named("kvm.device", "KVM is none", status="warn", wrapper=wrapper)
        self.edit("host.conf", "[desktops]", "[desktops]\nvm = never")
        self.assertEqual(self.look(wrapper=wrapper)[1]["kvm.device"]["status"], "ok")

    def test_14_no_namespaces(self):
        """a machine that makes no user namespaces is named"""
        if os.geteuid() != 0:
            self.skipTest("needs root (a user namespace with a limit of its own)")
        inside = "echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\""
        _, found = self.look(wrapper=["unshare", "-U", "-r", "sh", "-c", inside, "sh"])
        self.assertEqual(found["userns"]["status"], "fail")
        self.assertIn("sysctl", found["userns"]["remedy"])

    def test_15_clock(self):
        """a clock an hour off is seen by the database's, and a certificate that is not valid yet says so"""
        faketime = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not faketime:
            self.skipTest("libfaketime is missing: run 'make deps'")
        wrapper = ["env", f"LD_PRELOAD={faketime[0]}", "FAKETIME=+1h"]
        self.named("clock.database", r"3[56]\d{5} ms", wrapper=wrapper)
        wrapper[2] = "FAKETIME=-3650d"
        self.assertRegex(self.look(wrapper=wrapper)[1]["cert.gateway"]["text"], "not valid yet")

    def test_16_empty(self):
        """a machine without any configuration is told how to begin"""
        os.makedirs(f"{self.site.root}/none", exist_ok=True)
        _, found = self.look(etc=f"{self.site.root}/none")
        self.assertIn("pane-setup", found["config.none"]["remedy"])

    def test_17_pane(self):
        """`pane doctor` is the same program"""
        done = subprocess.run([f"{BIN}/pane", "doctor", "--etc", self.etc, "--json"], capture_output=True, text=True, env=ENVIRONMENT, check=False)
        self.assertIn("database.reach", done.stdout)

    def test_18_help(self):
        """every option of its help is in its page"""
        text = subprocess.run([DOCTOR, "--help"], capture_output=True, text=True, check=True).stdout
        with open(f"{TOP}/docs/man/pane-doctor.8.scd", encoding="utf-8") as file:
            page = file.read()
        for word in text.split():
            if word.startswith("--"):
                self.assertIn(f"*{word.rstrip(']')}*", page)

    def test_19_database(self):
        """a database that is down is named"""
        self.site.cluster.stop()
        try:
            self.named("database.reach", "No such file|refused")
        finally:
            self.site.cluster.start()


if __name__ == "__main__":
    unittest.main()
