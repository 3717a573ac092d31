# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of `pane`, the real program, against an HTTPS server of the test: trust, login, tables, errors,
exit statuses, and that the man page says what --help says."""
import base64
import json
import os
import pty
import select
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.get("PANE_BUILD", f"{TOP}/build/release")
PROGRAM = f"{BUILD}/bin/pane"
sys.path.insert(0, f"{TOP}/tests/vmm/host")
from rig import Pki  # noqa: E402


class Server:
    """Answers from a table {"GET /api/v1/pools": (status, reply)}; remembers what was asked."""

    def __init__(self, pki):
        self.answers, self.asked = {}, []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                url = urlparse(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                owner.asked.append((self.command, self.path, json.loads(body) if body else None, self.headers.get("Authorization")))
                found = owner.answers.get(f"{self.command} {url.path}", (404, error("route.unknown", "no such call")))
                status, reply = found(parse_qs(url.query)) if callable(found) else found
                text = b"" if reply is None else json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.path("server.crt"), pki.path("server.key"))
        self.context = context
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.answers["POST /api/v1/login"] = (200, {"token": "t0ken", "user": {"name": "admin", "role": "admin"}, "expires_in_s": 60})


def error(code, message, reasons=(), ident="abc123"):
    return {"error": {"code": code, "message": message, "reasons": list(reasons), "id": ident}}


class Story(unittest.TestCase):
    def setUp(self):
        if not os.access(PROGRAM, os.X_OK):
            self.skipTest(f"{PROGRAM} is not built")
        self.dir = tempfile.mkdtemp(prefix="pane-cli-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.pki = Pki(self.dir)
        self.server = Server(self.pki)
        self.addCleanup(self.server.http.server_close)
        self.addCleanup(self.server.http.shutdown)

    def pane(self, *argv, text="", status=0):
        env = dict(os.environ, XDG_CONFIG_HOME=f"{self.dir}/config")
        done = subprocess.run([PROGRAM, *argv], input=text, capture_output=True, text=True, env=env, timeout=60, check=False,
                              start_new_session=True)
        self.assertEqual(done.returncode, status, f"{argv}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def login(self):
        return self.pane("login", "--server", self.server.url, "--ca", self.pki.path("ca.crt"), "--password-stdin", "admin",
                         text="secret\n")


class Trust(Story):
    def test_ca(self):
        """login with a CA file; the token is kept private and sent from then on"""
        self.assertIn("logged in", self.login())
        self.assertEqual(self.server.asked[0][2], {"user": "admin", "password": "secret"})
        path = f"{self.dir}/config/pane/session.json"
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.server.answers["GET /api/v1/me"] = (200, {"name": "admin", "role": "admin"})
        self.assertIn("role:  admin", self.pane("me"))
        self.assertEqual(self.server.asked[-1][3], "Bearer t0ken")

    def test_untrusted(self):
        """without a terminal nothing is trusted silently, and the password is not sent"""
        out = self.pane("login", "--server", self.server.url, "--password-stdin", "admin", text="secret\n", status=1)
        self.assertIn("is not trusted. Its certificate has SHA256 ", out)
        self.assertEqual(self.server.asked, [])

    def test_fingerprint(self):
        """a given fingerprint pins the certificate; another one is refused"""
        out = self.pane("login", "--server", self.server.url, "--password-stdin", "admin", text="x\n", status=1)
        right = out.split("SHA256 ")[1].split(";")[0]
        self.pane("login", "--server", self.server.url, "--fingerprint", "00" + right[2:], "--password-stdin", "admin", text="x\n",
                  status=1)
        self.pane("login", "--server", self.server.url, "--fingerprint", right.lower(), "--password-stdin", "admin", text="x\n")
        self.server.answers["GET /api/v1/pools"] = (200, {"items": []})
        self.assertEqual(self.pane("pools", "list"), "none\n")

    def test_changed_certificate(self):
        """a server that shows another certificate than the pinned one gets nothing"""
        out = self.pane("login", "--server", self.server.url, "--password-stdin", "admin", text="x\n", status=1)
        self.pane("login", "--fingerprint", out.split("SHA256 ")[1].split(";")[0], "--server", self.server.url, "--password-stdin",
                  "admin", text="x\n")
        self.pki.issue("server", "/O=Pane/OU=gateway/CN=gateway", "subjectAltName=DNS:gateway,IP:127.0.0.1")
        self.server.context.load_cert_chain(self.pki.path("server.crt"), self.pki.path("server.key"))
        asked = len(self.server.asked)
        self.assertIn("could not prove its identity", self.pane("me", status=1))
        self.assertEqual(len(self.server.asked), asked)

    def test_terminal(self):
        """at a terminal the fingerprint is shown and asked about, and the password is not echoed"""
        pid, tty = pty.fork()
        if pid == 0:
            os.environ["XDG_CONFIG_HOME"] = f"{self.dir}/config"
            os.execv(PROGRAM, [PROGRAM, "login", "--server", self.server.url, "admin"])
        self.addCleanup(os.close, tty)  # and what still waits there is hung up on
        seen = b""

        def until(what):
            nonlocal seen
            end = time.monotonic() + 30
            while what not in seen and time.monotonic() < end:
                if not select.select([tty], [], [], max(0, end - time.monotonic()))[0]:
                    break
                try:
                    seen += os.read(tty, 4096)
                except OSError:
                    break
            self.assertIn(what, seen)

        until(b"Trust it? [y/N]")
        os.write(tty, b"y\n")
        until(b"Password for admin: ")
        os.write(tty, b"s3cret-word\n")
        until(b"logged in to")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertNotIn(b"s3cret-word", seen)
        self.assertEqual(self.server.asked[-1][2]["password"], "s3cret-word")

    def second_factor(self, word, reasons=()):
        """Logs in to a server that asks for a code first."""
        replies = [(403, error(word, "More is needed.", reasons)),
                   (200, {"token": "t0ken", "user": {"name": "admin", "role": "admin"}, "expires_in_s": 60,
                          **({"recovery_codes": ["aaaa-bbbb-cccc-dddd"]} if reasons else {})})]
        self.server.answers["POST /api/v1/login"] = lambda _: replies.pop(0)
        return self.pane("login", "--server", self.server.url, "--ca", self.pki.path("ca.crt"), "--password-stdin", "admin",
                         text="secret\n123456\n")

    def test_code(self):
        """where the account asks for a code it is asked for, and sent with the password"""
        self.assertIn("logged in", self.second_factor("totp.required"))
        self.assertEqual([a[2] for a in self.server.asked], [
            {"user": "admin", "password": "secret"}, {"user": "admin", "password": "secret", "code": "123456"}])

    def test_enroll_at_login(self):
        """where the role asks for one, the login shows the address for the app and then the recovery codes"""
        out = self.second_factor("totp.enroll", ["otpauth://totp/Pane:admin?secret=ABC"])
        self.assertIn("otpauth://totp/Pane:admin?secret=ABC", out)
        self.assertIn("aaaa-bbbb-cccc-dddd", out)

    def test_unreachable(self):
        """a server that is not there: said so, with what to check"""
        out = self.pane("login", "--server", "https://127.0.0.1:1", "--password-stdin", "a", text="x\n", status=1)
        self.assertIn("check the address, and that the gateway runs", out)

    def test_logout(self):
        """logout ends the login here even when the server has forgotten it"""
        self.login()
        self.server.answers["POST /api/v1/logout"] = (401, error("login.expired", "Your login has ended."))
        self.assertIn("logged out", self.pane("logout"))
        self.assertIn("you are not logged in: pane login USER", self.pane("pools", "list", status=1))


class Commands(Story):
    def setUp(self):
        super().setUp()
        self.login()

    def test_table(self):
        """desktops are listed with state, reason and age in aligned columns"""
        rows = [{"name": "office-1", "state": "ready", "since_s": 3700, "user": "alice", "host": "h1", "session": "connected", "reason": ""},
                {"name": "office-10", "state": "failed", "since_s": 5, "user": None, "host": "h1", "session": "none",
                 "reason": "needs 4096 MiB, 1200 free"}]
        self.server.answers["GET /api/v1/desktops"] = (200, {"items": rows})
        self.assertEqual(self.pane("desktops", "list").splitlines(), [
            "DESKTOP    STATE   AGE    USER   HOST  SESSION    REASON",
            "office-1   ready   1h01m  alice  h1    connected  -",
            "office-10  failed  5s     -      h1    none       needs 4096 MiB, 1200 free"])
        self.assertEqual(json.loads(self.pane("desktops", "list", "--json")), {"items": rows})

    def test_pages(self):
        """a long list is read to its end"""
        def page(query):
            after = query.get("after", ["u000"])[0]
            first = int(after[1:])
            names = [{"name": f"u{n:03}"} for n in range(first + 1, min(first + 101, 251))]
            return 200, {"items": names, **({"next": names[-1]["name"]} if first + 100 < 250 else {})}
        self.server.answers["GET /api/v1/users"] = page
        self.assertEqual(len(self.pane("users", "list").splitlines()), 251)
        self.assertEqual(len(json.loads(self.pane("users", "list", "--json"))["items"]), 250)

    def test_list_of_one_user(self):
        """a list whose address has a question already is asked for in pages all the same"""
        def quotas(query):
            return 200, {"items": [{"who": "user:a&b", "says": "1 of 2 desktops"}] if query == {"user": ["a&b"], "limit": ["1000"]} else []}
        self.server.answers["GET /api/v1/quotas"] = quotas
        self.assertEqual(self.pane("quotas", "of", "a&b").splitlines(), ["WHO       USED", "user:a&b  1 of 2 desktops"])

    def test_create(self):
        """creating a pool, entitling a user, a user with a made password, a host with its token"""
        self.server.answers["POST /api/v1/pools"] = (201, {"name": "office"})
        self.assertEqual(self.pane("pools", "create", "office", "--image", "office", "--memory", "1024", "--cpus", "2", "--size", "4",
                                   "--spare", "1"), "pool office created\n")
        self.assertEqual(self.server.asked[-1][2], {"name": "office", "image": "office", "memory_mib": 1024, "cpus": 2, "size_max": 4,
                                                    "spare": 1, "assignment": "dedicated"})
        self.server.answers["POST /api/v1/pools/office/entitlements"] = (201, {})
        self.assertEqual(self.pane("pools", "entitle", "office", "alice"), "alice may use pool office\n")
        self.server.answers["POST /api/v1/users"] = (201, {"name": "alice", "password": "made-1234"})
        self.assertIn("password: made-1234", self.pane("users", "create", "alice"))
        self.assertEqual(self.server.asked[-1][2], {"name": "alice", "role": "user"})
        self.pane("users", "create", "bob", "--role", "admin", "--password-stdin", text="given\n")
        self.assertEqual(self.server.asked[-1][2], {"name": "bob", "role": "admin", "password": "given"})
        self.server.answers["POST /api/v1/hosts"] = (201, {"id": "x", "name": "h1", "token": "pe1_abc", "expires_in_s": 3600})
        self.assertIn("--token pe1_abc", self.pane("hosts", "create", "h1"))
        self.assertEqual(json.loads(self.pane("--json", "hosts", "create", "h1"))["token"], "pe1_abc")

    def test_actions(self):
        """deletes and actions go where they should, force by query"""
        for method, path, argv in (("POST", "/api/v1/desktops/office-1/restart", ("desktops", "restart", "office-1")),
                                   ("DELETE", "/api/v1/desktops/office-1", ("desktops", "delete", "office-1")),
                                   ("DELETE", "/api/v1/sessions/5", ("sessions", "end", "5")),
                                   ("DELETE", "/api/v1/pools/office", ("pools", "delete", "office", "--force"))):
            self.server.answers[f"{method} {path}"] = (204, None)
            self.pane(*argv)
            self.assertEqual(self.server.asked[-1][:2], (method, path + ("?force=true" if "--force" in argv else "")))

    def test_totp(self):
        """enrolling shows the address, sends the code and prints the recovery codes once; giving up needs both"""
        self.server.answers["POST /api/v1/me/totp"] = (200, {"secret": "ABC", "uri": "otpauth://totp/x"})
        self.server.answers["POST /api/v1/me/totp/confirm"] = (200, {"recovery_codes": ["aaaa-bbbb-cccc-dddd"]})
        self.server.answers["POST /api/v1/me/totp/end"] = (204, None)
        out = self.pane("totp", "enroll", "--password-stdin", text="secret\n123456\n")
        self.assertIn("otpauth://totp/x", out)
        self.assertIn("aaaa-bbbb-cccc-dddd", out)
        self.assertEqual([a[2] for a in self.server.asked[-2:]], [{"password": "secret"}, {"code": "123456"}])
        self.pane("totp", "end", "--password-stdin", text="secret\n654321\n")
        self.assertEqual(self.server.asked[-1][2], {"password": "secret", "code": "654321"})
        self.server.answers["PATCH /api/v1/policy"] = (200, {"totp_roles": ["admin", "operator"]})
        self.pane("policy", "set", "--totp-roles", "admin,operator")
        self.assertEqual(self.server.asked[-1][2], {"totp_roles": ["admin", "operator"]})

    def test_directory(self):
        """the directory's test is shown step by step, and its exit status says whether all went well"""
        steps = [{"step": "connect", "ok": True, "detail": "ldaps://x"}, {"step": "bind", "ok": False, "detail": "Invalid"}]
        self.server.answers["POST /api/v1/directory/test"] = (200, {"ok": False, "steps": steps})
        out = self.pane("directory", "test", "--user", "ada", "--password-stdin", text="secret\n", status=1)
        self.assertEqual(self.server.asked[-1][2], {"user": "ada", "password": "secret"})
        self.assertRegex(out, r"connect +yes +ldaps://x\nbind +no +Invalid")
        self.server.answers["POST /api/v1/directory/test"] = (200, {"ok": True, "steps": steps[:1]})
        self.pane("directory", "test")
        self.server.answers["POST /api/v1/oidc/test"] = (200, {"ok": False, "steps": steps})
        self.assertRegex(self.pane("oidc", "test", status=1), r"bind +no +Invalid")

    def test_import(self):
        """a staff list: rows by line, quoted fields, a preview, tokens into a private file, status 1 for refused rows"""
        self.login()
        with open(f"{self.dir}/staff.csv", "w", encoding="utf-8") as file:
            file.write('user,full_name,groups,state\n"alice","A, Alice",sales; dev,\nbob,,,left\n')
        items = [{"row": 1, "user": "alice", "action": "create", "changes": [], "welcome": "pw1_x"},
                 {"row": 2, "user": "bob", "action": "error", "changes": [], "message": "no"}]
        self.server.answers["POST /api/v1/users/import"] = (200, {"items": items, "counts": {}, "dry_run": False})
        out = self.pane("users", "import", f"{self.dir}/staff.csv", "--tokens", f"{self.dir}/tokens", status=1)
        self.assertEqual(self.server.asked[-1][2], {"rows": [
            {"user": "alice", "full_name": "A, Alice", "groups": ["sales", "dev"]},
            {"user": "bob", "full_name": "", "groups": [], "state": "left"}]})
        self.assertRegex(out, r"(?m)^3 +bob +error +no")
        self.assertIn("1 rows were refused", out)
        self.assertNotIn("pw1_x", out)
        with open(f"{self.dir}/tokens", encoding="utf-8") as file:
            self.assertEqual(file.read(), f"user,welcome,link\nalice,pw1_x,{self.server.url}/#/welcome/pw1_x\n")
        self.assertEqual(os.stat(f"{self.dir}/tokens").st_mode & 0o777, 0o600)
        self.pane("users", "import", f"{self.dir}/staff.csv", "--dry-run", status=1)
        self.assertIn("dry_run=true", self.server.asked[-1][1])

    def staff(self, data, status=0, *words):
        with open(f"{self.dir}/odd.csv", "wb") as file:
            file.write(data)
        self.server.answers["POST /api/v1/users/import"] = (200, {"items": [], "counts": {}, "dry_run": False})
        before = len(self.server.asked)
        return self.pane("users", "import", f"{self.dir}/odd.csv", *words, status=status), [a[2]["rows"] for a in self.server.asked[before:]]

    def test_odd_lists(self):
        """staff lists as spreadsheets write them: semicolons, a byte order mark, heads with blanks; wrong rows are told by line"""
        self.login()
        out, sent = self.staff("\ufeffUser;Full Name;Groups\r\nzoë;Zoë;sales,dev\r\nalice;\"A; Alice\";dev\r\n".encode())
        self.assertEqual(sent, [[{"user": "zoë", "full_name": "Zoë", "groups": ["sales", "dev"]},
                                 {"user": "alice", "full_name": "A; Alice", "groups": ["dev"]}]])
        out, sent = self.staff(b"user,email\na,x\nb\na,y\nc,z\n", 1)
        self.assertEqual(sent, [[{"user": "a", "email": "x"}, {"user": "c", "email": "z"}]])
        self.assertRegex(out, r"(?m)^3 +b +error +the line has 1 fields, the first line has 2 ")
        self.assertRegex(out, r"(?m)^4 +a +error +the same user is in line 2 ")
        self.assertIn("2 rows were refused; the others are done", out)
        for data, why in ((b"user,full_name\na,J\xfcrgen\n", "line 2 is not UTF-8; nothing was sent"), (b"user,salary\na,1\n", 'column "salary" is unknown'),
                          (b'user,email\na,x\nb,"y\n', "line 3: a quote is not closed"), (b"user,user\na,b\n", "is there twice"), (b"", "is empty")):
            out, sent = self.staff(data, 2, "--tokens", f"{self.dir}/none")
            self.assertIn(why, out)
            self.assertEqual((sent, os.path.exists(f"{self.dir}/none")), ([], False))

    def test_busy(self):
        """a batch that meets too many other changes is sent again; one that is refused says how far it came"""
        self.login()
        with open(f"{self.dir}/many.csv", "w", encoding="ascii") as file:
            file.write("user\n" + "".join(f"u{n}\n" for n in range(700)))
        answers = [(200, {"items": [], "counts": {}}), (503, error("database.busy", "Too many changes at once.")), (200, {"items": [], "counts": {}}),
                   (200, {"items": [], "counts": {}}), (403, error("role.needed", "No."))]
        self.server.answers["POST /api/v1/users/import"] = lambda _: answers.pop(0)
        self.pane("users", "import", f"{self.dir}/many.csv")
        out = self.pane("users", "import", f"{self.dir}/many.csv", status=1)
        self.assertIn("the first 500 people are done, then it stopped; import the same file again to go on: No.", out)
        self.assertEqual(answers, [])

    def test_errors(self):
        """a refusal: cause, every reason, the id, status 1; an ended login says what to do"""
        self.server.answers["DELETE /api/v1/pools/office"] = (
            409, error("pool.busy", "Pool office has assigned desktops.", ["desktop office-1 is assigned to alice"], "id42"))
        out = self.pane("pools", "delete", "office", status=1)
        self.assertEqual(out, "pane: Pool office has assigned desktops. (id id42)\n  - desktop office-1 is assigned to alice\n")
        self.server.answers["GET /api/v1/pools"] = (401, error("login.expired", "Your login has ended."))
        self.assertIn("Log in with: pane login USER", self.pane("pools", "list", status=1))
        self.pane("pools", "paint", status=2)
        self.pane(status=2)

    def test_ticket(self):
        """a ticket is printed alone; a starting desktop is waited for on request"""
        answers = [(202, {"state": "booting", "message": "Starting."}), (200, {"ticket": "pt1_x", "expires_in_s": 30})]
        self.server.answers["POST /api/v1/tickets"] = lambda _: answers[0]
        self.assertIn("Starting. Try again", self.pane("ticket", "office", status=1))
        self.server.answers["POST /api/v1/tickets"] = lambda _: answers.pop(0)
        self.assertEqual(self.pane("ticket", "office", "--wait", "5"), "pt1_x\n")

    def test_usage(self):
        """the report of what was used: as a table of what was asked for, as CSV in which nothing is a formula, and what is no day is refused"""
        asked = []
        self.server.answers["GET /api/v1/usage"] = lambda q: (asked.append(q), (200, {"items": [
            {"pool": "office", "user": "=1+1", "desktop_hours": 8.1, "connects": 3, "io_hours": 0.25}]}))[1]
        self.login()
        self.assertRegex(self.pane("usage", "--by", "pool,user", "--from", "2026-11-01"), r"^POOL +USER +DESKTOP H +CONNECTS +I/O H\noffice +=1\+1 +8\.1 +3 +0\.25\n$")
        self.assertEqual((asked[0]["by"], asked[0]["from"]), (["pool,user"], ["2026-11-01"]))
        self.assertEqual(self.pane("usage", "--csv"), "pool,user,desktop_hours,connects,io_hours\noffice,\"'=1+1\",8.1,3,0.25\n")
        self.assertIn("--from", self.pane("usage", "--from", "1&by=x", status=2))

    def test_recording(self):
        """a recording comes piece by piece, is played and gone afterwards; one that ends in the middle leaves no file"""
        film, at = b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40, f"{self.dir}/film.mkv"
        short = []

        def piece(query):
            offset = int(query["offset"][0])
            if short and offset:
                return 404, error("recording.unknown", "It was deleted meanwhile.")
            return 200, {"bytes": len(film), "data": base64.b64encode(film[offset:offset + 4000]).decode()}

        self.server.answers["GET /api/v1/recordings/r1/data"] = piece
        self.login()
        self.pane("record", "export", "r1", at)
        with open(at, "rb") as file:
            self.assertEqual(file.read(), film)
        player, seen = f"{self.dir}/player", f"{self.dir}/seen"
        with open(player, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\ncp "$1" {seen}\necho "$1" >{seen}.name\n')
        os.chmod(player, 0o755)
        self.pane("record", "play", "r1", "--player", player)
        with open(seen, "rb") as file:
            self.assertEqual(file.read(), film)
        with open(f"{seen}.name", encoding="utf-8") as file:
            self.assertFalse(os.path.exists(file.read().strip()))
        short.append(True)
        os.unlink(at)
        self.assertIn("deleted meanwhile", self.pane("record", "export", "r1", at, status=1))
        self.assertEqual([f for f in os.listdir(self.dir) if f.startswith("film")], [])

    def test_site(self):
        """the site: gateways with a row for each certificate and what to do about one that ends; a logo goes as base64 and is taken away by null"""
        certificate = {"use": "clients", "file": "/etc/pane/tls.crt", "names": ["a.example.org", "b.example.org"], "issuer": "CN=X", "not_after": "2026-12-03T11:16:39Z",
                       "days": 5, "key": "RSA 2048", "fingerprint": "ab", "state": "soon", "next": "Put the new chain into /etc/pane/tls.crt."}
        self.server.answers.update({
            "GET /api/v1/gateways": (200, {"items": [{"name": "gw1", "state": "online", "seen_s": 7, "certificates": [
                certificate, {**certificate, "use": "hosts", "days": 400, "state": "good", "next": ""}]}]}),
            "DELETE /api/v1/gateways/gw1": (204, None), "PATCH /api/v1/branding": (200, {"name": "x"}),
            "GET /api/v1/tasks": (200, {"items": [{"kind": "fill", "name": "office", "what": "", "state": "running", "done": 1, "total": 3, "percent": 33}]})})
        self.login()
        lines = self.pane("gateways", "list").splitlines()
        self.assertRegex(lines[1], r"^gw1 +online +7s +clients +2026-12-03 11:16:39 +5 +RSA 2048 +a.example.org, b.example.org")
        self.assertEqual((len(lines), lines[3]), (4, "gw1: Put the new chain into /etc/pane/tls.crt."))
        self.assertIn("forgotten", self.pane("gateways", "forget", "gw1"))
        self.assertRegex(self.pane("tasks", "list"), r"fill +office +(-|) *running +1 +3 +33")
        path = f"{self.dir}/logo.png"
        with open(path, "wb") as file:
            file.write(b"\x89PNG\0\xff")
        self.pane("branding", "set", "--name", "Example", "--logo", path)
        self.pane("branding", "set", "--no-logo")
        self.assertEqual([body for method, _, body, _ in self.server.asked if method == "PATCH"], [{"name": "Example", "logo": "iVBORwD/"}, {"logo": None}])
        self.assertIn("nothing to change", self.pane("branding", "set", status=2))

    def test_escapes(self):
        """what the server says cannot drive the terminal"""
        self.server.answers["GET /api/v1/hosts"] = (200, {"items": [{"name": "h\x1b[2J1", "state": "online"}]})
        self.assertNotIn("\x1b", self.pane("hosts", "list"))


class ManPage(unittest.TestCase):
    def test_same(self):
        """the man page holds exactly the commands and options of --help"""
        made = subprocess.run([PROGRAM, "--help-man"], capture_output=True, text=True, check=True).stdout
        with open(f"{TOP}/docs/man/pane.1.scd", encoding="utf-8") as file:
            self.assertIn(made, file.read(), "run: pane --help-man, and put it into docs/man/pane.1.scd")

    def test_renders(self):
        """scdoc takes the man pages"""
        if not shutil.which("scdoc"):
            self.skipTest("scdoc is not installed")
        for page in ("pane.1.scd", "pane-host.8.scd"):
            with open(f"{TOP}/docs/man/{page}", "rb") as file:
                done = subprocess.run(["scdoc"], stdin=file, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_pane_host(self):
        """every option of pane-host --help is in its page"""
        host = f"{BUILD}/bin/pane-host"
        if not os.access(host, os.X_OK):
            self.skipTest(f"{host} is not built")
        text = subprocess.run([host, "--help"], capture_output=True, text=True, check=True).stdout
        with open(f"{TOP}/docs/man/pane-host.8.scd", encoding="utf-8") as file:
            page = file.read()
        for word in {w.strip("[],") for w in text.split() if w.strip("[],").startswith("-")} - {"-"}:
            self.assertIn(f"*{word}*", page)
