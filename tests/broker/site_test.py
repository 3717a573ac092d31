# SPDX-License-Identifier: GPL-3.0-or-later
"""What is of the whole site: gateways with their certificates, and what the site looks like."""
import base64
import datetime
import http.client
import socket
import unittest

import panesite
import png
from broker import request


def certificate(days, **more):
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=1)
    return {"use": "clients", "file": "/etc/pane/tls.crt", "names": ["desks.example.org"], "subject": "CN=desks.example.org", "issuer": "CN=Example CA",
            "not_before": "2026-01-01T00:00:00Z", "not_after": ends.strftime("%Y-%m-%dT%H:%M:%SZ"), "key": "RSA 2048", "fingerprint": "ab" * 32, **more}


def report(name="gw1", certificates=(), **more):
    return {"name": name, "version": "1", "listen": ["https 0.0.0.0:443"], "certificates": list(certificates), **more}


class SiteOfIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def tell(self, **more):
        return request(self.b.internal, "POST", "/internal/v1/gateways", report(**more))

    def gateway(self, name="gw1"):
        return next(g for g in self.b.call("GET", "/gateways").json["items"] if g["name"] == name)

    def sql(self, text):
        return self.site.cluster.sql(text)

    # ---- gateways ------------------------------------------------------------------------------
    def test_certificates(self):
        """a certificate is good, ends soon or has ended, and what to do is said in words that fit who issued it"""
        self.assertEqual(self.tell(certificates=[
            certificate(400), certificate(29), certificate(-3, issuer="CN=Pane internal CA,O=Pane"),
            certificate(3, use="hosts", file="/etc/pane/pki/gateway.crt", issuer="CN=Pane internal CA,O=Pane"), certificate(2, use="ca")]).json, {"again_s": 60})
        seen = self.gateway()["certificates"]
        self.assertEqual([(c["state"], c["days"]) for c in seen], [("good", 400), ("soon", 29), ("bad", -3), ("soon", 3), ("soon", 2)])
        self.assertEqual(seen[0]["next"], "")
        self.assertIn("new chain and key into /etc/pane/tls.crt", seen[1]["next"])
        for c in seen[1:4]:
            self.assertIn("systemctl reload pane-gateway", c["next"])
        self.assertIn("pane-setup site", seen[2]["next"])
        self.assertIn("docs/backup.md", seen[4]["next"])

    def test_since(self):
        """the same report again changes only when the gateway was seen; another certificate is told as an event"""
        self.tell(name="gw2", certificates=[certificate(90)])
        count = lambda: self.site.cluster.value("SELECT count(*) FROM pane.event WHERE kind = 'gateway' AND name = 'gw2'")
        first, told = self.gateway("gw2")["since"], count()
        self.sql("UPDATE pane.gateway SET seen_at = now() - interval '4 min' WHERE name = 'gw2'")
        self.assertEqual(self.gateway("gw2")["state"], "silent")
        same = report("gw2", self.gateway_certificates("gw2"))
        request(self.b.internal, "POST", "/internal/v1/gateways", same)
        self.assertEqual((self.gateway("gw2")["state"], self.gateway("gw2")["since"], count()), ("online", first, told))
        self.tell(name="gw2", certificates=[certificate(200)])
        self.assertNotEqual(self.gateway("gw2")["since"], first)
        self.assertEqual(int(count()), int(told) + 1)

    def gateway_certificates(self, name):
        return [{k: v for k, v in c.items() if k not in ("days", "state", "next")} for c in self.gateway(name)["certificates"]]

    def test_bad_reports(self):
        """a report that is not as described is refused and changes nothing; keys have no field to be in"""
        before = self.b.call("GET", "/gateways").json
        before = [g["name"] for g in before["items"]]
        for more in ({"name": "Bad Name"}, {"name": ""}, {"certificates": [certificate(1, use="evil")]}, {"certificates": [certificate(1, not_after="tomorrow")]},
                     {"certificates": [certificate(1, not_after="2026-99-99T00:00:00Z")]}, {"certificates": [certificate(1, private_key="x")]},
                     {"certificates": [certificate(1)] * 17}, {"listen": "https"}, {"certificates": [certificate(1, names=["x" * 300])]}, {"more": 1}):
            r = self.tell(**more)
            self.assertEqual((r.status, r.code), (400, "request.invalid"), (more, r))
        self.assertEqual([g["name"] for g in self.b.call("GET", "/gateways").json["items"]], before)
        self.assertEqual(self.b.call("POST", "/internal/v1/gateways", report(), prefix="").status, 404)  # not on the sockets people reach

    def test_forget(self):
        """a gateway that is gone is forgotten by an administrator, which is in the audit"""
        self.tell(name="gone", certificates=[])
        self.assertEqual(self.b.call("DELETE", "/gateways/gone").status, 204)
        self.assertEqual(self.b.call("DELETE", "/gateways/gone").code, "gateway.unknown")
        self.assertIn(("gateway.forget", "gone"), [(e["action"], e["object"]) for e in self.b.call("GET", "/audit").json["items"]])

    def test_not_without_end(self):
        """a gateway that makes up names fills no table: the two hundred and first is refused"""
        self.sql("INSERT INTO pane.gateway (name, version, listen, certificates) SELECT 'made-up-' || n, '1', '[]', '[]' FROM generate_series(1, 200) n")
        try:
            self.assertEqual(self.tell(name="one-more").code, "gateway.many")
        finally:
            self.sql("DELETE FROM pane.gateway WHERE name LIKE 'made-up-%'")

    # ---- what the site looks like ----------------------------------------------------------------
    def change(self, **body):
        return self.b.call("PATCH", "/branding", body)

    def test_branding(self):
        """name, texts and colour are changed one at a time, read without a login, and in the audit with what was before"""
        self.assertEqual(self.change(name="Example <b>Inc.</b>", login_text="Line one\nline two", support="+49 30 1234").status, 200)
        self.assertEqual(self.change(accent="#0b5394").status, 200)
        seen = self.b.call("GET", "/branding", token="").json
        self.assertEqual(seen, {"name": "Example <b>Inc.</b>", "login_text": "Line one\nline two", "support": "+49 30 1234", "accent": "#0b5394", "logo": None})
        entry = next(e for e in self.b.call("GET", "/audit").json["items"] if e["action"] == "branding.update")
        self.assertEqual((entry["before"]["accent"], entry["after"]["accent"]), ("", "#0b5394"))
        self.assertEqual(self.change(accent="", name="", login_text="", support="").json["accent"], "")

    def test_branding_refused(self):
        """a colour that cannot be read is refused with one that can; long texts, control characters and unknown fields are refused"""
        r = self.change(accent="#ffcc00")
        self.assertEqual(r.status, 400)
        darker = "#" + r.json["error"]["message"].split("#")[-1][:6]
        self.assertEqual(self.change(accent=darker).status, 200, darker)
        self.change(accent="")
        for body in ({"accent": "red"}, {"accent": "#0B5394"}, {"accent": "#12345"}, {"accent": "#0b5394;}"}, {"name": "x" * 61}, {"name": "two\nlines"},
                     {"login_text": "x" * 601}, {"support": "bell\u0007"}, {"title": "x"}, {"logo": 5}, {"name": None, "logo": ""}):
            self.assertEqual(self.change(**body).status, 400, body)

    def logo(self, data):
        return self.change(logo=base64.b64encode(data).decode())

    def test_logo(self):
        """a logo is served without a login as the PNG it is, by an address that changes with it, without what its program wrote into it"""
        seen = self.logo(png.picture(64, 32, more=png.chunk(b"tEXt", b"Author\0secret")))
        self.assertEqual(seen.status, 200, seen)
        c = http.client.HTTPConnection("x")
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.connect(self.b.api)
        c.request("GET", "/api/v1/branding/logo")
        answer = c.getresponse()
        data = answer.read()
        self.assertEqual((answer.status, answer.headers["Content-Type"], answer.headers["X-Content-Type-Options"]), (200, "image/png", "nosniff"))
        self.assertEqual(data, png.picture(64, 32))
        self.assertNotEqual(self.logo(png.picture(64, 33)).json["logo"], seen.json["logo"])
        self.assertIsNone(self.change(logo=None).json["logo"])
        self.assertEqual(self.b.call("GET", "/branding/logo", token="").code, "logo.none")

    def test_logo_refused(self):
        """what is no PNG, is broken, too large or wears something behind its end is refused or cut; the old logo stays"""
        self.assertEqual(self.logo(png.picture(20, 20)).status, 200)
        kept = self.b.call("GET", "/branding").json["logo"]
        good = png.picture(64, 64)
        for what, data in (("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"), ("GIF", b"GIF89a" + bytes(100)),
                           ("HTML", b"<!doctype html><script>1</script>"), ("cut", good[:-20]), ("flipped", good[:60] + bytes([good[60] ^ 1]) + good[61:]),
                           ("small", png.picture(8, 64)), ("huge", png.picture(2000, 16)), ("no data", png.MAGIC + png.chunk(b"IEND")),
                           ("heavy", png.picture(64, 64, more=png.chunk(b"tEXt", bytes(140000)))), ("critical", png.picture(64, 64, more=png.chunk(b"EVIL", b"x"))),
                           ("header twice", png.picture(64, 64, more=good[8:33])), ("empty", b"\x89PNG")):
            r = self.logo(data)
            self.assertEqual((r.status, r.code), (400, "request.invalid"), (what, r))
            self.assertEqual(self.b.call("GET", "/branding").json["logo"], kept, what)
        self.assertEqual(self.change(logo="not base64!!").status, 400)
        self.assertEqual(self.logo(good + b"<script>alert(1)</script>").status, 200)
        self.assertNotIn(b"script", base64.b64decode("".join(row[0] for row in self.sql("SELECT encode(logo, 'base64') FROM pane.branding"))))
        self.change(logo=None)


if __name__ == "__main__":
    unittest.main()
