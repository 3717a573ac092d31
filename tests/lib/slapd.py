# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory for tests: OpenLDAP's slapd as a process of its own, on loopback (StartTLS, ldaps) and a unix
socket, with the entries of an LDIF text. Gone afterwards."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
from urllib.parse import quote

SUFFIX = "dc=example,dc=org"
SERVICE = f"cn=pane,{SUFFIX}"
SCHEMA = "/etc/ldap/schema"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def user(name, password="", full=None, **more):
    """The LDIF of a person."""
    lines = [f"dn: uid={name},ou=people,{SUFFIX}", "objectClass: inetOrgPerson", f"uid: {name}",
             f"cn: {full or name.title()}", "sn: x", f"mail: {name}@example.org"]
    lines += [f"userPassword: {password}"] if password else []
    return "\n".join(lines + [f"{k}: {v}" for k, v in more.items()]) + "\n\n"


def group(name, *members):
    """The LDIF of a group; a member is a user's name, or "=name" for a group."""
    dns = [f"cn={m[1:]},ou=groups,{SUFFIX}" if m.startswith("=") else f"uid={m},ou=people,{SUFFIX}" for m in members]
    return "\n".join([f"dn: cn={name},ou=groups,{SUFFIX}", "objectClass: groupOfNames", f"cn: {name}",
                      *[f"member: {d}" for d in dns]]) + "\n\n"


class Slapd:
    def __init__(self, ldif):
        self.root = tempfile.mkdtemp(prefix="pane-")
        self.plain, self.tls = free_port(), free_port()
        self.socket = os.path.join(self.root, "s")
        self.process = None
        self.certificate()
        os.makedirs(os.path.join(self.root, "db"))
        self.password_file = os.path.join(self.root, "bind")
        with open(self.password_file, "w", encoding="ascii") as f:
            f.write("service-secret\n")
        self.config = os.path.join(self.root, "slapd.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("\n".join([*[f"include {SCHEMA}/{s}.schema" for s in ("core", "cosine", "inetorgperson", "nis")],
                               "modulepath /usr/lib/ldap", "moduleload back_mdb", f"pidfile {self.root}/pid",
                               f"TLSCACertificateFile {self.root}/ca.crt", f"TLSCertificateFile {self.root}/server.crt",
                               f"TLSCertificateKeyFile {self.root}/server.key", "sizelimit size.soft=500 size.hard=500 "
                               "size.pr=500 size.prtotal=unlimited", "database mdb", "maxsize 268435456",
                               f'suffix "{SUFFIX}"', f'rootdn "cn=admin,{SUFFIX}"', "rootpw root-secret",
                               f"directory {self.root}/db", "index objectClass,uid,cn eq",
                               "access to attrs=userPassword by anonymous auth by * none",
                               f'access to * by dn.exact="{SERVICE}" read by * none']) + "\n")
        head = (f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n"
                f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n"
                f"dn: ou=groups,{SUFFIX}\nobjectClass: organizationalUnit\nou: groups\n\n"
                f"dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: pane\n"
                "userPassword: service-secret\n\n")
        subprocess.run(["/usr/sbin/slapadd", "-q", "-f", self.config], input=head + ldif, text=True, check=True,
                       capture_output=True)

    def certificate(self):
        at = lambda name: os.path.join(self.root, name)  # noqa: E731
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=directory CA", "-keyout", at("ca.key"), "-out", at("ca.crt"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                "-keyout", at("server.key"), "-out", at("server.csr"))
        with open(at("ext"), "w", encoding="ascii") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", at("server.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial",
                "-days", "2", "-extfile", at("ext"), "-out", at("server.crt"))

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/slapd", "-d", "0", "-f", self.config, "-h",
                                         f"ldap://127.0.0.1:{self.plain} ldaps://127.0.0.1:{self.tls} "
                                         f"ldapi://{quote(self.socket, safe='')}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.tls), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def change(self, ldif):
        """LDIF changes, as the directory's administrator."""
        subprocess.run(["ldapmodify", "-x", "-H", f"ldapi://{quote(self.socket, safe='')}", "-D", f"cn=admin,{SUFFIX}",
                        "-w", "root-secret"], input=ldif, text=True, check=True, capture_output=True)

    def settings(self, **more):
        """[directory] for this one."""
        return {"uri": f"ldaps://127.0.0.1:{self.tls}", "ca_cert": f"{self.root}/ca.crt", "bind_dn": SERVICE,
                "bind_password_file": self.password_file, "user_base": f"ou=people,{SUFFIX}",
                "group_base": f"ou=groups,{SUFFIX}", "sync_s": 0, **more}
