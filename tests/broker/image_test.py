# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: uploads and what can go wrong with them, versions and tags, the files hosts fetch."""
import hashlib
import os
import socket
import unittest

import digest
import panesite


class Images(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def left(self):
        """What the store holds."""
        return sorted(os.path.join(d, n) for d in ("upload", "tmp", "images")
                      for n in os.listdir(os.path.join(self.b.store, d)))

    def put(self, version, offset, data, name="office", **more):
        return self.b.call("PUT", f"/images/{name}/{version}/data?offset={offset}", data, **more)

    def announce(self, data, **more):
        r = self.b.post("/images", {"name": "office", "size": len(data),
                                    "sha256": hashlib.sha256(data).hexdigest(), **more})
        self.assertEqual(r.status, 201, r)
        return r.json["version"]

    def test_upload(self):
        """an upload is verified, converted and ready; the first version is stable; its files are as described"""
        data = os.urandom(3 << 20)
        v = self.site.upload(data, chunk=1000000, changelog="the first one")
        row = self.site.wait_version(v, "published")
        self.assertEqual((row["percent"], row["tags"], row["changelog"], row["disk_mib"], row["created_by"]),
                         (100, ["stable"], "the first one", 8, "root"))
        self.assertEqual(len(self.left()), 1, "only the image is left")
        h = self.site.host(start=False, images=())
        base = f"/hosts/{h.id}/images/office/{v}/"
        more = {"token": "", "cert": "host/" + h.id, "prefix": "/internal/v1"}
        files = {f["name"]: f for f in self.b.get(base + "manifest", **more).json["files"]}
        self.assertEqual(set(files), {"disk.raw", "vmlinuz", "image.json"})
        disk = files["disk.raw"]
        self.assertEqual(disk["size"], 8 << 20)
        want = bytearray(8 << 20)
        want[:1 << 20] = want[5 << 20:6 << 20] = data[:1 << 20]
        self.assertEqual(disk["content_sha256"], digest.content(want))
        self.assertLess(sum(n for _, n in disk["data"]), 4 << 20, "holes are not sent")
        for off, n in disk["data"]:
            got = self.raw(base + "disk.raw", h.id, f"bytes={off}-{off + n - 1}")
            self.assertEqual(got, bytes(want[off:off + n]))

    def raw(self, path, host, ranges=None):
        import broker as broker_mod
        c = broker_mod._Unix(self.b.api, 20)
        c.request("GET", "/internal/v1" + path, headers={"X-Pane-Cert": "host/" + host,
                                                         **({"Range": ranges} if ranges else {})})
        r = c.getresponse()
        self.assertEqual(r.status, 206 if ranges else 200)
        data = r.read()
        c.close()
        return data

    def test_resume(self):
        """a connection that breaks within a chunk loses that chunk only, and the upload goes on"""
        data = os.urandom(2500000)
        v = self.announce(data)
        self.assertEqual(self.put(v, 0, data[:1000000]).json, {"received": 1000000, "size": 2500000, "state": "uploading"})
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(self.b.api)
        s.sendall((f"PUT /api/v1/images/office/{v}/data?offset=1000000 HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer "
                   f"{self.b.token}\r\nContent-Length: 1000000\r\n\r\n").encode() + data[1000000:1500000])
        s.close()
        r = self.put(v, 1500000, data[1500000:])
        self.assertEqual((r.status, r.code), (409, "upload.offset"))
        self.assertEqual(r.json["error"]["reasons"], ["received 1000000"])
        self.assertEqual(self.site.version(v)["received_bytes"], 1000000)
        self.b.stop()
        self.b.start()
        self.assertEqual(self.put(v, 1000000, data[1000000:]).json["state"], "verifying")
        self.site.wait_version(v, "published")

    def test_hostile_uploads(self):
        """wrong checksum, too much, wrong places, refused by the converter: a reason, and nothing left behind"""
        v = self.site.upload(b"x" * 1000, sha256="0" * 64)
        self.assertIn("SHA-256", self.site.wait_version(v, "failed")["reason"])
        v = self.announce(b"y" * 1000)
        self.assertEqual(self.put(v, 0, b"y" * 1001).code, "upload.large")
        self.assertEqual(self.put(v, 1 << 50, b"y").status, 400)
        self.assertEqual(self.put(v, 5, b"y").code, "upload.offset")
        self.assertEqual(self.b.call("PUT", f"/images/office/{v}/data", b"y").status, 400)
        self.assertEqual(self.put(v, 0, b"y" * (5 << 20)).status, 413)
        self.assertEqual(self.b.call("DELETE", f"/images/office/{v}").status, 204)
        self.assertEqual(self.put(v, 0, b"y").code, "version.unknown")
        v = self.site.upload(b"REFUSE me")
        reason = self.site.wait_version(v, "failed")["reason"]
        self.assertIn("in the middle of a table", reason)
        self.assertNotIn("\x1b", reason)
        self.assertEqual(self.put(v, 9, b"y").code, "upload.over")
        v = self.site.upload(b"CRASH now")
        self.assertIn("signal 11", self.site.wait_version(v, "failed")["reason"])
        v = self.site.upload(b"LINK to something")
        self.assertIn("not a file", self.site.wait_version(v, "failed")["reason"])
        self.b.wait(lambda: not self.left(), "an empty store")

    def test_names(self):
        """names cannot leave the store, whichever of them"""
        sha = "0" * 64
        for name in ("../x", "a/b", "..", ".x", "A", "", "a" * 64, "a\n", "%2e%2e"):
            r = self.b.post("/images", {"name": name, "size": 1, "sha256": sha})
            self.assertEqual(r.status, 400, name)
        for body in ({"size": 0}, {"size": -1}, {"size": 1 << 60}, {"sha256": "z" * 64}, {"sha256": "0"},
                     {"changelog": "x" * 5000}, {"more": 1}):
            r = self.b.post("/images", {"name": "a", "size": 1, "sha256": sha, **body})
            self.assertEqual(r.status, 400, body)
        r = self.b.post("/images", {"name": "a", "size": 1 << 41, "sha256": sha})
        self.assertEqual(r.code, "store.full")
        v = self.site.image(b"data")
        h = self.site.host(start=False, images=())
        for name in ("..%2f..%2fx", "%2e%2e", "..", "nope", ".hidden"):
            r = self.b.get(f"/hosts/{h.id}/images/office/{v}/{name}", token="", cert="host/" + h.id,
                           prefix="/internal/v1")
            self.assertEqual(r.status, 404, name)
        r = self.b.get(f"/hosts/{h.id}/images/office/{v}/disk.raw", token="", cert="host/" + "0" * 36,
                       prefix="/internal/v1")
        self.assertEqual(r.code, "host.certificate")

    def test_deleted_while_converting(self):
        """deleting a version ends its conversion and leaves nothing; so does a restart of the broker, which goes on"""
        v = self.site.upload(b"HANG here")
        self.site.wait_version(v, "converting")
        self.b.stop()
        self.assertEqual(self.site.cluster.value("SELECT state FROM pane.image_version"), "converting")
        self.b.start()
        self.site.wait_version(v, "converting")
        self.assertEqual(self.b.call("DELETE", f"/images/office/{v}").status, 204)
        self.b.wait(lambda: not self.left(), "an empty store")
        self.assertEqual(self.b.get("/images/office").status, 404)

    def test_orphans(self):
        """what no version owns is removed from the store when a broker starts"""
        v = self.site.image(b"data")
        kept = self.left()
        self.b.stop()
        os.mkdir(f"{self.b.store}/tmp/junk")
        os.symlink("/etc", f"{self.b.store}/tmp/junk/link")
        open(f"{self.b.store}/upload/junk", "w", encoding="ascii").close()
        self.b.start()
        self.b.wait(lambda: self.left() == kept, "orphans gone")
        self.assertTrue(os.path.exists("/etc/passwd"))
        self.assertEqual(self.site.version(v)["state"], "published")

    def test_tags(self):
        """publishing moves a tag, rolling back goes to where it was, step by step; used versions stay"""
        one, two, three = (self.site.image(b"%d" % n) for n in range(3))
        self.assertEqual(self.site.version(one)["tags"], ["stable"])
        for v in (two, three):
            self.assertEqual(self.b.post(f"/images/office/{v}/publish", {}).status, 200)
        self.assertEqual(self.b.post(f"/images/office/{three}/publish", {"tag": "canary"}).json["tags"],
                         ["canary", "stable"])
        r = self.b.call("DELETE", f"/images/office/{three}")
        self.assertEqual((r.code, r.json["error"]["reasons"]), ("version.used", [
            "tag canary points at it", "tag stable points at it"]))
        self.assertEqual(self.b.post("/images/office/rollback", {}).json["version"], two)
        self.assertEqual(self.b.post("/images/office/rollback").json["version"], one)
        self.assertEqual(self.b.post("/images/office/rollback").code, "tag.first")
        self.assertEqual(self.b.post("/images/office/rollback", {"tag": "canary"}).code, "tag.first")
        self.assertEqual(self.b.call("DELETE", f"/images/office/{two}").status, 204)
        self.assertEqual(self.b.post(f"/images/office/{two}/publish", {}).code, "version.unknown")
        failed = self.site.upload(b"REFUSE")
        self.site.wait_version(failed, "failed")
        self.assertEqual(self.b.post(f"/images/office/{failed}/publish", {}).code, "version.state")
        self.site.pool()
        self.assertEqual(self.b.call("DELETE", "/images/office").code, "image.used")
        self.assertEqual(self.b.call("DELETE", "/pools/office?force=1").status, 204)
        self.assertEqual(self.b.call("DELETE", "/images/office").status, 204)
        self.assertEqual(self.left(), [])

    def test_host_images(self):
        """what a host has of its own is a version, tagged stable until a person says otherwise"""
        h = self.site.host()
        self.b.wait(lambda: self.b.get("/images/office").status == 200, "the image")
        self.assertEqual(self.site.version("v1")["tags"], ["stable"])
        h.images = (("office", "v1"), ("office", "v2"))
        self.b.wait(lambda: self.site.version("v2").get("tags") == ["stable"], "the newer one")
        v = self.site.image(b"uploaded")
        self.assertEqual(self.site.version(v)["tags"], [], "an upload waits to be published")
        self.assertEqual(self.b.post(f"/images/office/{v}/publish", {}).status, 200)
        h.images = (("office", "v1"), ("office", "v2"), ("office", "v3"))
        self.b.wait(lambda: self.site.version("v3").get("state"), "v3")
        self.assertEqual(self.site.version(v)["tags"], ["stable"])
        self.assertEqual(self.b.call("DELETE", "/images/office/v1").code, "version.used")
        self.assertEqual(self.b.post("/images/office/rollback").json["version"], "v2")

    def test_only_administrators(self):
        """users may neither see nor change images"""
        pw = self.site.user("alice")
        token = self.b.login("alice", pw)
        for method, path in (("GET", "/images"), ("POST", "/images"), ("GET", "/images/x"), ("DELETE", "/images/x"),
                             ("PUT", "/images/x/1/data?offset=0"), ("POST", "/images/x/1/publish"),
                             ("GET", "/images/x/1/files/disk.raw")):
            self.assertEqual(self.b.call(method, path, {}, token=token).code, "role.missing", path)


if __name__ == "__main__":
    unittest.main()
