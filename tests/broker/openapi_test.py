# SPDX-License-Identifier: GPL-3.0-or-later
"""broker/openapi.yaml against the route table and a live broker: every operation answers as described."""
import base64
import hashlib
import json
import time
import unittest
import urllib.parse

import broker as broker_mod
import panesite
import png
import totp
from provider import Provider
from tools import credssp

try:
    import yaml
except ImportError:
    yaml = None

GATEWAY = {"name": "gw1", "version": "1", "listen": ["https 0.0.0.0:443"], "certificates": [{
    "use": "clients", "file": "/etc/pane/tls.crt", "names": ["desks.example.org"], "subject": "CN=desks.example.org", "issuer": "CN=Example CA",
    "not_before": "2026-01-01T00:00:00Z", "not_after": "2046-01-01T00:00:00Z", "key": "RSA 2048", "fingerprint": "ab" * 32}]}
METHODS = ("get", "post", "patch", "delete", "put")


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(f"{broker_mod.SOURCE}/broker/openapi.yaml", encoding="utf-8") as f:
            cls.spec = yaml.safe_load(f)
        cls.provider = Provider("https://desks.example.org/")
        # a directory that is not there: it is described all the same, and its test says what fails
        cls.site = panesite.Site(directory={"uri": "ldapi://%2fnowhere", "user_base": "dc=x", "sync_s": 0}, oidc=cls.provider.settings()).__enter__()
        cls.b = cls.site.broker
        cls.seen = set()

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.provider.close()

    def operations(self):
        for path, item in self.spec["paths"].items():
            for method in METHODS:
                if method in item:
                    yield method.upper(), path, item[method]

    def test_same_routes(self):
        """the description and the route table name the same methods, paths and roles"""
        table = {tuple(line.split()) for line in self.b.command("routes").stdout.splitlines()}
        described = {(m, p, op["x-role"]) for m, p, op in self.operations()}
        self.assertEqual(table, described)

    def resolve(self, schema):
        while "$ref" in schema:
            node = self.spec
            for part in schema["$ref"].lstrip("#/").split("/"):
                node = node[part]
            schema = node
        return schema

    def conforms(self, value, schema, where):
        schema = self.resolve(schema)
        if value is None:
            self.assertTrue(schema.get("nullable"), f"{where} is null")
            return
        kind = schema.get("type")
        types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
        self.assertIsInstance(value, types[kind], where)
        if kind == "integer":
            self.assertNotIsInstance(value, bool, where)
        if "enum" in schema:
            self.assertIn(value, schema["enum"], where)
        for name in schema.get("required", []):
            self.assertIn(name, value, where)
        if kind == "object" and "properties" in schema:
            for name, v in value.items():
                self.assertIn(name, schema["properties"], f"{where}: {name} is not described")
                self.conforms(v, schema["properties"][name], f"{where}.{name}")
        if kind == "array" and "items" in schema:
            for i, v in enumerate(value):
                self.conforms(v, schema["items"], f"{where}[{i}]")

    def oidc(self, v):
        """A login by the provider."""
        own = {"Host": "desks.example.org", "Origin": "https://desks.example.org"}
        self.ask("GET", v + "/login", None, 200, token="")
        self.assertTrue(self.ask("POST", v + "/oidc/test", None, 200).json["ok"])
        begun = self.ask("POST", v + "/oidc/begin", None, 200, token="", more=own)
        self.provider.claims = {"preferred_username": "root"}
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(begun.json["url"]).query))
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.provider.authorize(query)).query))
        cookie = {"Cookie": begun.headers["Set-Cookie"].split(";")[0]}
        self.ask("POST", v + "/oidc/finish", {"state": "x"}, 403, token="", more={**own, **cookie})
        self.ask("POST", v + "/oidc/finish", back, 200, token="", more={**own, **cookie})

    def ask(self, method, path, body=None, expect=None, **more):
        """Calls an operation by its described path; values fill the {…} in order."""
        values = more.pop("values", ())
        op = self.spec["paths"][path][method.lower()]
        url = path
        for v in values:
            url = url[:url.index("{")] + v + url[url.index("}") + 1:]
        url += more.pop("query", "")
        r = self.b.call(method, url, body, prefix="", **more)
        key = str(r.status)
        self.assertTrue(key in op["responses"] or "default" in op["responses"], (method, path, r))
        response = self.resolve(op["responses"].get(key, op["responses"]["default"]))
        if expect:
            self.assertEqual(r.status, expect, (method, path, r))
            self.assertIn(key, op["responses"], (method, path))
        if "content" in response and "application/json" not in response["content"]:
            self.assertIn(r.headers["Content-Type"].split(";")[0], response["content"])
        elif "content" in response:
            self.conforms(r.json, response["content"]["application/json"]["schema"], f"{method} {path} {key}")
        else:
            self.assertIsNone(r.json)
        self.seen.add((method, path))
        return r

    def test_walk(self):
        """every operation answers, with a success that is described, field by field"""
        v = "/api/v1"
        self.ask("GET", v + "/health", expect=200)
        host = self.ask("POST", v + "/hosts", {"name": "h1"}, 201).json
        host = self.ask("POST", v + "/enroll", {"token": host["token"], "csr": self.site.csr,
                                                "address": "127.0.0.1:7443"}, 200, token="").json["host"]
        self.ask("POST", v + "/pools", {"name": "office", "image": "office", "cpus": 1, "memory_mib": 256,
                                        "size_max": 2, "spare": 1, "assignment": "floating"}, 201)
        pw = self.ask("POST", v + "/users", {"name": "alice"}, 201).json["password"]
        self.ask("POST", v + "/users", {"name": "alice"}, 409)
        self.ask("POST", v + "/pools/{name}/entitlements", {"user": "alice"}, 201, values=["office"])
        alice = self.ask("POST", v + "/login", {"user": "alice", "password": pw}, 200, token="").json["token"]
        self.ask("POST", v + "/login", {"user": "alice", "password": "x"}, 403, token="")
        self.ask("POST", v + "/tickets", {"pool": "office"}, 409, token=alice)
        report = {"generation": 0, "wait_s": 0, "address": "127.0.0.1:7443", "capacity": {
            "cpus": 4, "memory_mib": 4000, "memory_free_mib": 4000, "disk_free_mib": 9000, "kvm": "hardware"},
            "images": [{"name": "office", "version": "v", "disk_mib": 1}], "desktops": []}

        def sync(state=None):
            r = self.ask("POST", "/internal/v1/hosts/{id}/sync", report, 200, values=[host], token="",
                         cert="host/" + host)
            report["desktops"] = [{"id": d["id"], "epoch": d["epoch"], "state": state or "booting", "viewers": []}
                                  for d in r.json["desktops"] if d["want"] == "running"]
            return r
        sync()
        self.b.wait(lambda: sync().json["desktops"], "an order")
        self.ask("POST", v + "/tickets", {"pool": "office"}, 202, token=alice)
        sync("ready")
        sync("ready")
        ticket = self.ask("POST", v + "/tickets", {"pool": "office"}, 200, token=alice).json["ticket"]
        names, temp = "ALICE".encode("utf-16-le"), b"\1\1" + bytes(40)
        response = credssp.mac(credssp.mac(credssp.nt_hash(ticket), names), bytes(8) + temp) + temp
        self.ask("POST", "/internal/v1/proofs", {"conn": "c", "client": "192.0.2.1:1", "user": "alice", "names": names.hex(),
                                                 "challenge": bytes(8).hex(), "response": response.hex()}, 200, sock=self.b.internal)
        self.ask("POST", "/internal/v1/connections", {"protocol": "rdp", "conn": "c", "client": "192.0.2.1:1",
                                                      "user": "alice", "password": pw}, 200, sock=self.b.internal)
        for path in ("/me", "/me/desktops"):
            self.ask("GET", v + path, expect=200, token=alice)
        for path in ("users", "pools", "desktops", "sessions", "hosts", "images", "audit"):
            r = self.ask("GET", f"{v}/{path}", expect=200, query="?limit=1")
            self.assertTrue(r.json["items"], path)
        self.ask("GET", v + "/pools/{name}/entitlements", expect=200, values=["office"])
        self.ask("POST", v + "/pools/{name}/roles", {"who": "alice", "role": "helpdesk"}, 201, values=["office"])
        self.ask("POST", v + "/pools/{name}/roles", {"who": "alice", "role": "admin"}, 400, values=["office"])
        self.ask("GET", v + "/pools/{name}/roles", expect=200, values=["office"])
        self.ask("GET", v + "/pools/{name}/roles", expect=404, values=["nope"])
        self.ask("DELETE", v + "/pools/{name}/roles/{who}", expect=204, values=["office", "alice"])
        self.ask("DELETE", v + "/pools/{name}/roles/{who}", expect=404, values=["office", "alice"])
        for path, name in (("users", "alice"), ("pools", "office"), ("hosts", "h1"), ("desktops", "office-1")):
            self.ask("GET", f"{v}/{path}/{{name}}", expect=200, values=[name])
            self.ask("GET", f"{v}/{path}/{{name}}", expect=404, values=["nope"])
        self.ask("PATCH", v + "/users/{name}", {"role": "user"}, 200, values=["alice"])
        self.ask("PATCH", v + "/pools/{name}", {"size_max": 3}, 200, values=["office"])
        self.ask("POST", v + "/me/password", {"old": pw, "new": "another long one"}, 204, token=alice)
        self.ask("POST", v + "/hosts/{name}/drain", {"reason": "new memory"}, 200, values=["h1"])
        self.ask("POST", v + "/hosts/{name}/undrain", None, 200, values=["h1"])
        self.ask("POST", v + "/hosts/{name}/drain", None, 404, values=["nope"])
        self.ask("GET", v + "/desktops/{name}/usage", expect=200, values=["office-1"])
        self.ask("GET", v + "/desktops/{name}/usage", expect=404, values=["nope"])
        self.ask("GET", v + "/hosts/{name}/usage", expect=200, values=["h1"], query="?range=day")
        self.ask("GET", v + "/hosts/{name}/usage", expect=404, values=["nope"])
        self.ask("GET", v + "/usage", expect=200, query="?by=day,pool,user")
        self.ask("GET", v + "/usage", expect=400, query="?by=colour")
        self.ask("POST", v + "/pictures", {"desktops": ["office-1"]}, 200)
        self.ask("GET", v + "/desktops/{name}/picture", expect=404, values=["office-1"])
        order = next(d for d in sync("ready").json["desktops"] if d["name"] == "office-1")
        jpeg = base64.b64encode(b"\xff\xd8\xff\xe0 of openapi").decode()
        self.ask("PUT", "/internal/v1/hosts/{id}/pictures", json.dumps([{"id": order["id"], "epoch": order["epoch"], "jpeg": jpeg}]).encode(),
                 204, values=[host], token="", cert="host/" + host)
        self.ask("POST", v + "/pictures", {"desktops": ["office-1"]}, 200)
        etag = self.ask("GET", v + "/desktops/{name}/picture", expect=200, values=["office-1"]).headers["ETag"]
        self.ask("GET", v + "/desktops/{name}/picture", expect=304, values=["office-1"], more={"If-None-Match": etag})
        session = self.b.get("/sessions").json["items"][0]["id"]
        self.ask("POST", v + "/sessions/{id}/shadow", {"mode": "view"}, 403, values=[session])
        self.site.cluster.sql("UPDATE pane.host SET shadow = true")
        self.site.cluster.sql("UPDATE pane.pool SET shadow = 'notice'")
        self.site.cluster.sql("UPDATE pane.session SET state = 'connected', viewers = 1")
        self.ask("POST", v + "/sessions/{id}/shadow", {"mode": "view"}, 200, values=[session])
        self.ask("POST", v + "/users/{name}/desktops", {"pool": "office"}, 200, values=["alice"])
        self.site.cluster.sql("UPDATE pane.host SET suspend = true")
        for verb in ("suspend", "off", "resume"):
            self.ask("POST", v + "/desktops/{name}/" + verb, None, 202, values=["office-1"])
        self.ask("POST", v + "/desktops/{name}/restart", None, 202, values=["office-1"])
        self.ask("POST", v + "/users/{name}/desktops", {"pool": "office"}, 202, values=["alice"])
        self.ask("POST", v + "/users/{name}/desktops", {"pool": "nope"}, 404, values=["alice"])
        self.ask("POST", v + "/me/desktops/{name}/restart", None, 202, values=["office-1"], token=alice)
        self.ask("POST", v + "/me/desktops/{name}/restart", None, 404, values=["office-1"])
        self.ask("POST", v + "/sessions/{id}/message", {"text": "Back in {left}", "seconds": 60}, 201, values=[session])
        self.ask("DELETE", v + "/sessions/{id}/message", None, 204, values=[session])
        self.ask("DELETE", v + "/sessions/{id}", None, 204, values=[session])
        self.ask("POST", v + "/desktops/{name}/release", None, 409, values=["office-1"])
        self.ask("POST", v + "/desktops/{name}/recycle", None, 202, values=["office-1"])
        self.ask("DELETE", v + "/pools/{name}/entitlements/{user}", None, 204, values=["office", "alice"])
        self.ask("DELETE", v + "/desktops/{name}", None, 202, values=["office-1"])
        self.walk_people(v)
        self.walk_totp(v)
        self.walk_images(v, host)
        self.walk_homes(v)
        self.walk_recordings(v, host)
        self.ask("DELETE", v + "/hosts/{name}", None, 409, values=["h1"])
        self.ask("DELETE", v + "/hosts/{name}", None, 204, values=["h1"], query="?force=true")
        self.ask("DELETE", v + "/pools/{name}", None, 204, values=["office"], query="?force=1")
        self.ask("GET", v + "/me/logins", expect=200, token=alice)
        self.ask("GET", v + "/users/{name}/logins", expect=200, values=["alice"])
        other = self.b.login("alice", "another long one")
        mine = self.ask("GET", v + "/me/logins", expect=200, token=other).json["items"]
        self.ask("DELETE", v + "/me/logins/{id}", None, 204, token=alice, values=[next(x["id"] for x in mine if x["current"])])
        self.ask("POST", v + "/logout", None, 204, token=alice)
        self.ask("DELETE", v + "/me/logins", None, 204, token=self.b.login("alice", "another long one"))
        self.ask("DELETE", v + "/users/{name}/logins", None, 204, values=["alice"])
        self.ask("DELETE", v + "/users/{name}", None, 204, values=["alice"])
        self.assertEqual({(m, p) for m, p, _ in self.operations()} - self.seen, set())

    def walk_homes(self, v):
        """The operations on homes; there is one whose user has had no desktop yet."""
        self.site.cluster.sql("SELECT pane.home_key(u.id, p.id) FROM pane.users u, pane.pool p "
                              "WHERE u.name = 'alice' AND p.name = 'office'")
        home = self.ask("GET", v + "/homes", expect=200).json["items"][0]
        self.assertEqual((home["user"], home["pool"], home["state"]), ("alice", "office", "kept"))
        self.ask("DELETE", v + "/homes/{key}", None, 204, values=[home["key"]])
        self.ask("DELETE", v + "/homes/{key}", None, 404, values=[home["key"]])

    def walk_recordings(self, v, host):
        """The operations on recordings; the host lost before has one."""
        rid = "5b1f2b0e-0000-4000-8000-00000000000a"
        self.site.cluster.sql(f"INSERT INTO pane.recording (id, host_id, desktop_id, desktop, user_name, began_at, ended_at, bytes, days) "
                              f"VALUES ('{rid}', '{host}', gen_random_uuid(), 'office-1', 'alice', now(), now(), 5, 30); "
                              f"UPDATE pane.host SET online = true WHERE id = '{host}'; "
                              f"UPDATE pane.recording SET want_until = now() + interval '1 min', want_to = 100")
        self.ask("GET", v + "/recordings", expect=200)
        self.ask("GET", v + "/recordings/{id}", expect=200, values=[rid])
        self.ask("GET", v + "/recordings/{id}", expect=404, values=[host])
        self.ask("PUT", "/internal/v1/hosts/{id}/recordings/{recording}", b"bytes", 204, values=[host, rid], query="?offset=0",
                 token="", cert=f"host/{host}")
        r = self.ask("GET", v + "/recordings/{id}/data", expect=200, values=[rid], query="?offset=0")
        self.assertEqual((r.json["data"], r.json["bytes"]), ("Ynl0ZXM=", 5))
        self.ask("GET", v + "/recordings/{id}/data", expect=400, values=[rid])
        self.ask("DELETE", v + "/recordings/{id}", None, 204, values=[rid])
        self.ask("DELETE", v + "/recordings/{id}", None, 404, values=[host])

    def walk_people(self, v):
        """Groups, imports, the bin, tokens and lockouts."""
        self.ask("POST", v + "/groups", {"name": "sales"}, 201)
        self.ask("POST", v + "/apply", {"items": [{"kind": "pool", "name": "office", "size_max": 9}]}, 200, query="?dry_run=1")
        self.ask("POST", v + "/quotas", {"who": "pool:office", "desktops": 9, "cpus": 40}, 200)
        self.ask("POST", v + "/quotas", {"who": "everyone", "running": 9}, 200)
        self.ask("POST", v + "/quotas", {"who": "nobody", "running": 9}, 400)
        self.ask("POST", v + "/quotas", {"who": "group:nope", "running": 9}, 404)
        self.ask("POST", v + "/pools/{name}/retry", None, 200, values=["office"])
        self.ask("POST", v + "/pools/{name}/retry", None, 404, values=["nope"])
        self.ask("GET", v + "/quotas", expect=200)
        code = self.ask("POST", v + "/terminals/codes", {"name": "lobby", "uses": 2, "hours": 1}, 201).json["code"]
        self.ask("POST", v + "/terminals/codes", {"uses": 0}, 400)
        report = {"version": "1", "addresses": "192.0.2.9", "hardware": "m1"}
        device = self.ask("POST", v + "/terminals/enrol", {"code": code, **report}, 201, token="").json["token"]
        self.ask("POST", v + "/terminals/enrol", {"code": "no"}, 403, token="")
        self.ask("POST", v + "/terminals/self", report, 200, token=device)
        self.ask("POST", v + "/terminals/self", report, 401, token="pd1_x")
        self.ask("GET", v + "/terminals", expect=200)
        self.ask("GET", v + "/terminals/{name}", expect=200, values=["lobby-1"])
        self.ask("PATCH", v + "/terminals/{name}", {"pool": "office", "exit_pin": "4711"}, 200, values=["lobby-1"])
        self.ask("PATCH", v + "/terminals/{name}", {"pool": "nope"}, 404, values=["lobby-1"])
        self.ask("PATCH", v + "/terminals/{name}", {"keyboard": "GERMAN"}, 400, values=["lobby-1"])
        self.ask("DELETE", v + "/terminals/{name}", None, 204, values=["lobby-1"])
        self.ask("DELETE", v + "/terminals/{name}", None, 404, values=["lobby-1"])
        self.ask("GET", v + "/quotas", expect=200, query="?user=alice")
        self.ask("GET", v + "/export", expect=200)
        self.ask("DELETE", v + "/quotas/{who}", None, 204, values=["everyone"])
        self.ask("DELETE", v + "/quotas/{who}", None, 404, values=["everyone"])
        self.ask("GET", v + "/groups", expect=200)
        self.ask("POST", v + "/pools/{name}/entitlements", {"user": "group:sales"}, 201, values=["office"])
        row = {"user": "zoe", "groups": ["sales"]}
        self.ask("POST", v + "/users/import", {"rows": [row]}, 200, query="?dry_run=1")
        self.ask("POST", v + "/users/import", {"rows": [row, {"user": "Z!"}]}, 200)
        token = self.ask("POST", v + "/users/{name}/welcome", {}, 201, values=["zoe"]).json["welcome"]
        self.ask("POST", v + "/welcome", {"token": token, "password": "long enough for all"}, 200, token="")
        self.ask("POST", v + "/welcome", {"token": token, "password": "long enough for all"}, 403, token="")
        self.ask("POST", v + "/groups/{name}/members", {"user": "zoe"}, 201, values=["sales"])
        self.ask("GET", v + "/groups/{name}", None, 200, values=["sales"])
        self.ask("GET", v + "/pools/{name}/entitlements", expect=200, values=["office"])
        self.ask("DELETE", v + "/groups/{name}/members/{user}", None, 204, values=["sales", "zoe"])
        self.ask("DELETE", v + "/groups/{name}", None, 204, values=["sales"])
        self.ask("DELETE", v + "/users/{name}", None, 204, values=["zoe"])
        self.ask("GET", v + "/bin", expect=200)
        self.ask("POST", v + "/bin/{desktop}/restore", {}, 404, values=["nope"])
        self.ask("POST", v + "/users/{name}/restore", {}, 200, values=["zoe"])
        self.ask("GET", v + "/audit/export", expect=200, query="?format=csv")
        self.ask("GET", v + "/logons", expect=200)
        self.walk_site(v)
        self.ask("GET", "/metrics", expect=200, sock=self.b.internal)
        self.seen.add(("GET", v + "/events")) # never ends: tests/broker/events_test.py
        made = self.ask("POST", v + "/tokens", {"name": "t", "scope": "readonly"}, 201).json
        self.ask("GET", v + "/tokens", expect=200)
        self.ask("DELETE", v + "/tokens/{id}", None, 204, values=[str(made["id"])])
        for _ in range(3):
            self.b.post("/login", {"user": "zoe", "password": "no"}, token="")
        self.ask("GET", v + "/lockouts", expect=200)
        self.ask("DELETE", v + "/lockouts/{user}/{source}", None, 204, values=["zoe", "-"])

    def walk_site(self, v):
        """Gateways and their certificates; what the site looks like."""
        tell = "/internal/v1/gateways"
        self.ask("POST", tell, GATEWAY, 200, sock=self.b.internal, token="")
        self.ask("POST", tell, {**GATEWAY, "name": "-"}, 400, sock=self.b.internal, token="")
        self.assertEqual(self.ask("GET", v + "/gateways", expect=200).json["items"][0]["certificates"][0]["state"], "good")
        self.ask("DELETE", v + "/gateways/{name}", None, 204, values=["gw1"])
        self.ask("DELETE", v + "/gateways/{name}", None, 404, values=["gw1"])
        self.ask("GET", v + "/tasks", expect=200)
        self.ask("GET", v + "/branding", expect=200, token="")
        self.ask("GET", v + "/branding/logo", expect=404, token="")
        self.ask("PATCH", v + "/branding", {"accent": "#ffff00"}, 400)
        self.ask("PATCH", v + "/branding", {"name": "Example", "logo": base64.b64encode(png.picture(32, 16)).decode()}, 200)
        seen = self.ask("GET", v + "/branding/logo", expect=200, token="")
        self.ask("GET", v + "/branding/logo", expect=304, token="", more={"If-None-Match": seen.headers["ETag"]})

    def walk_totp(self, v):
        """A second factor from its beginning to its end."""
        pw = self.site.user("tom")
        tom = self.b.login("tom", pw)
        begun = self.ask("POST", v + "/me/totp", {"password": pw}, 200, token=tom).json
        self.ask("POST", v + "/me/totp/confirm", {"code": "x"}, 400, token=tom)
        got = self.ask("POST", v + "/me/totp/confirm", {"code": totp.code(begun["secret"])}, 200, token=tom).json
        self.ask("POST", v + "/login", {"user": "tom", "password": pw}, 403, token="")
        self.ask("POST", v + "/me/totp/end", {"password": pw, "code": got["recovery_codes"][0]}, 204, token=tom)
        self.ask("GET", v + "/me", expect=200, token=tom)
        self.ask("PATCH", v + "/policy", {"totp_roles": ["user"]}, 200)
        r = self.ask("POST", v + "/login", {"user": "tom", "password": pw}, 403, token="")
        secret = r.reasons[0].split("secret=")[1].split("&")[0]
        self.ask("POST", v + "/login", {"user": "tom", "password": pw, "code": totp.code(secret)}, 200, token="")
        self.ask("GET", v + "/directory", expect=200)
        self.ask("POST", v + "/directory/sync", {"force": False}, 202)
        self.assertFalse(self.ask("POST", v + "/directory/test", {}, 200).json["ok"])
        self.oidc(v)
        self.ask("PATCH", v + "/policy", {"totp_roles": []}, 200)
        self.ask("GET", v + "/policy", expect=200)
        self.ask("DELETE", v + "/users/{name}/totp", None, 204, values=["tom"])

    def walk_images(self, v, host):
        """The operations on images and their versions, and those that bring a pool to one."""
        data = b"an image"
        sha = hashlib.sha256(data).hexdigest()
        self.ask("POST", v + "/images", {"name": "office", "size": len(data), "sha256": sha}, 201)
        self.ask("PUT", v + "/images/{name}/{version}/data", data, 409, values=["office", "1"], query="?offset=1")
        self.ask("PUT", v + "/images/{name}/{version}/data", data, 200, values=["office", "1"], query="?offset=0")
        self.b.wait(lambda: self.ask("GET", v + "/images/{name}/{version}", None, 200, values=["office", "1"])
                    .json["state"] == "ready", "the version")
        self.ask("GET", v + "/images/{name}", None, 200, values=["office"])
        self.ask("POST", v + "/images/{name}/{version}/publish", {}, 200, values=["office", "1"])
        self.ask("POST", v + "/pools/{name}/rollout", None, 201, values=["office"])
        self.ask("GET", v + "/pools/{name}/rollout", None, 200, values=["office"])
        self.ask("PATCH", v + "/pools/{name}/rollout", {"state": "stopped"}, values=["office"])
        self.ask("GET", v + "/pools/{name}", None, 200, values=["office"])
        self.ask("POST", v + "/images/{name}/rollback", None, 200, values=["office"])
        more = {"token": "", "cert": "host/" + host}
        self.ask("GET", "/internal/v1/hosts/{id}/images/{image}/{version}/{file}", None, 404,
                 values=[host, "office", "1", "nope"], **more)
        self.ask("GET", v + "/images/{name}/{version}/files/{file}", None, 404, values=["office", "1", "nope"])
        self.ask("DELETE", v + "/images/{name}/{version}", None, 204, values=["office", "1"])
        self.ask("DELETE", v + "/images/{name}", None, 409, values=["office"])

    def test_ten_thousand_desktops(self):
        """10,000 desktops are listed, paged and filtered, and how long that takes is told"""
        pool = self.site.cluster.value(
            "INSERT INTO pane.pool (name, image, cpus, memory_mib, size_max, spare, assignment, deleted_at) "
            "VALUES ('big', 'x', 1, 64, 10000, 0, 'floating', NULL) RETURNING id")
        self.site.cluster.sql("INSERT INTO pane.desktop (pool_id, name, state, since) SELECT "
                              f"'{pool}', 'big-' || n, 'failed', now() FROM generate_series(1, 10000) n; ANALYZE")
        self.site.cluster.sql("UPDATE pane.desktop SET state = 'lost' WHERE name LIKE 'big-99_'")
        for query, n in (("?limit=10000", 10000), ("?limit=100&after=big-5", 100), ("?pool=big&state=lost", 10), ("?q=g-777", 11),
                         ("?user=nobody", 0)):
            best = 9
            for _ in range(3):
                begin = time.monotonic()
                r = self.b.get("/desktops" + query)
                best = min(best, time.monotonic() - begin)
            self.assertEqual(len(r.json["items"]), n)
            print(f"# {query}: {best * 1e3:.0f} ms")

    def test_pages_of_ten_thousand(self):
        """10,000 desktops a page at a time: in any order, numbers as numbers, filtered by words, with counts of each choice; how long that takes is told"""
        def page(query):
            best = 9
            for _ in range(3):
                begin = time.monotonic()
                r = self.ask("GET", "/api/v1/desktops", expect=200, query=query)
                best = min(best, time.monotonic() - begin)
            print(f"# {query}: {best * 1e3:.0f} ms")
            return r.json, [d["name"] for d in r.json["items"]]

        p, names = page("?sort=name&limit=3&offset=9&pool=big")
        self.assertEqual((names, p["total"], p["counts"]["state"]), (["big-10", "big-11", "big-12"], 10000, {"failed": 9990, "lost": 10}))
        p, names = page("?sort=-name&limit=2&pool=big")
        self.assertEqual(names, ["big-10000", "big-9999"])
        p, names = page("?sort=state&limit=2&q=G-99+lost")
        self.assertEqual((names, p["total"]), (["big-990", "big-991"], 10))
        p, names = page("?sort=-state&limit=2&state=failed&pool=big")
        self.assertEqual((names, p["counts"]["state"]["lost"], p["counts"]["pool"]["big"]), (["big-1", "big-2"], 10, 9990))
        p, names = page("?sort=name&limit=50&user=nobody")
        self.assertEqual((names, p["total"]), ([], 0))
        p, names = page("?sort=name';DROP&limit=1")
        self.assertEqual(len(names), 1)


if __name__ == "__main__":
    unittest.main()
