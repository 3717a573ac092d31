# SPDX-License-Identifier: GPL-3.0-or-later
"""From user to desktop: assignment, tickets, grants and sessions, with a simulated host."""
import base64
import json
import os
import subprocess
import threading
import time
import unittest

import panesite
from tools import credssp


def grant_of(reply):
    """The claims in a grant, unverified."""
    part = reply.json["grant"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def viewer(conn="c1", user="alice"):
    return [{"conn": conn, "user": user, "protocol": "rdp", "client": "192.0.2.1:5000"}]


class Connect(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def ready(self, **pool):
        self.h = self.site.host()
        self.site.pool(**pool)
        self.pw = self.site.user("alice", "office")
        self.alice = self.b.login("alice", self.pw)
        self.site.wait_state("office-1", "ready")

    def ticket(self, token=None, **more):
        return self.b.post("/tickets", {"pool": "office"}, token=token or self.alice, **more)

    def denials(self):
        return [a["detail"] for a in self.site.audit() if a["action"].startswith("connect.")
                and a["outcome"] == "denied"]

    def session(self):
        s = self.b.get("/sessions").json["items"]
        return s[0]["state"] if s else None

    def test_password_gives_a_grant(self):
        """user and password become a grant for this host, desktop, epoch and connection"""
        self.ready()
        r = self.b.connect(conn="abc123", user="ALICE", password=self.pw)
        self.assertEqual(r.status, 200, r)
        row = self.site.desktop("office-1")
        g = grant_of(r)
        self.assertEqual((g["host"], g["desktop"], g["epoch"], g["user"], g["conn"]),
                         (self.h.id, row["id"], row["epoch"], "alice", "abc123"))
        self.assertLessEqual(g["exp"] - time.time(), 31)
        self.assertEqual((r.json["name"], r.json["address"]), ("office-1", "127.0.0.1:7443"))
        self.assertTrue(row["dirty"])
        again = self.b.connect(conn="abc124", user="alice", password=self.pw, desktop="office-1")
        self.assertEqual(again.json["desktop"], r.json["desktop"])
        self.assertNotEqual(grant_of(again)["nonce"], g["nonce"])

    def test_ticket_works_once(self):
        """of 50 connections redeeming one ticket at once exactly one gets through"""
        self.ready()
        ticket = self.ticket().json["ticket"]
        codes = []
        threads = [threading.Thread(target=lambda i=i: codes.append(
            self.b.connect(conn=f"c{i}", ticket=ticket).status)) for i in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(codes), [200] + [403] * 49)
        self.assertEqual(self.denials().count("reused ticket"), 49)

    def test_bad_tickets_look_alike(self):
        """expired, reused, foreign, unknown and malformed tickets and a wrong password: one answer, six audits"""
        self.ready()
        used, old, mine = (self.ticket().json["ticket"] for _ in range(3))
        self.assertEqual(self.b.connect(ticket=used).status, 200)
        self.site.cluster.sql("UPDATE pane.ticket SET expires_at = now() - interval '1 s' "
                              f"WHERE hash = sha256('{old}')")
        replies = [self.b.connect(ticket=used), self.b.connect(ticket=old),
                   self.b.connect(ticket=mine, client="192.0.2.99:5000"),
                   self.b.connect(ticket="pt1_" + "A" * 43), self.b.connect(ticket="junk"),
                   self.b.connect(user="alice", password="wrong wrong")]
        for r in replies:
            self.assertEqual((r.status, r.json), (403, replies[0].json))
        self.assertEqual(self.denials()[::-1], ["reused ticket", "expired ticket", "foreign ticket",
                                                "unknown ticket", "malformed ticket", "wrong password"])
        # A ticket shown by a stranger is spent.
        self.assertEqual(self.b.connect(ticket=mine).status, 403)

    def test_ticket_as_password(self):
        """a password that has the form of a ticket is one (RFB viewers have no other field)"""
        self.ready()
        r = self.b.connect(protocol="rfb", user="whoever", password=self.ticket().json["ticket"])
        self.assertEqual((r.status, r.json["user"]), (200, "alice"))

    def proof(self, user, secret, domain=""):
        """What a gateway sends of a client that proves this secret; the key both then have."""
        challenge, temp = os.urandom(8), b"\1\1" + os.urandom(40)
        names = user.upper().encode("utf-16-le") + domain.encode("utf-16-le")
        response = credssp.mac(credssp.mac(credssp.nt_hash(secret), names), challenge + temp) + temp
        body = {"conn": "c1", "client": "192.0.2.1:5000", "user": user, "names": names.hex(), "challenge": challenge.hex(),
                "response": response.hex()}
        return body, credssp.session_key(credssp.nt_hash(secret), names, challenge, response).hex()

    def test_proof_of_a_ticket(self):
        """a proof made with a good ticket of that user gives the key, as often as asked; no other secret, user or time does"""
        self.ready()
        old, ticket = (self.ticket().json["ticket"] for _ in range(2))
        self.site.user("bob", "office")
        for user, domain in (("alice", ""), ("ALICE", "CORP"), ("CORP\\alice", ""), ("alice@corp.example", "")):
            body, key = self.proof(user, ticket, domain)
            r = self.b.prove(body)
            self.assertEqual((r.status, r.json), (200, {"session_key": key}), user)
        self.site.cluster.sql(f"UPDATE pane.ticket SET expires_at = now() - interval '1 s' WHERE hash = sha256('{old}')")
        changed = self.proof("alice", ticket)[0] | {"challenge": "00" * 8}
        for body in (self.proof("alice", old)[0], self.proof("bob", ticket)[0], self.proof("nobody", ticket)[0],
                     self.proof("alice", self.pw)[0], self.proof("alice", "")[0], changed):
            r = self.b.prove(body)
            self.assertEqual((r.status, r.json["error"]["code"]), (403, "login.failed"))
        self.assertEqual(self.denials(), ["no ticket proved"] * 6)
        self.assertEqual(self.b.connect(ticket=ticket).status, 200)
        self.assertEqual(self.b.prove(self.proof("alice", ticket)[0]).status, 403)
        for wrong in ({"response": "zz" * 44}, {"challenge": "00"}, {"names": "0"}, {"more": 1}):
            self.assertEqual(self.b.prove(self.proof("alice", ticket)[0] | wrong).status, 400)

    def test_ticket_dies_with_the_epoch(self):
        """a ticket from before a restart of the desktop is refused"""
        self.ready()
        ticket = self.ticket().json["ticket"]
        self.assertEqual(self.b.post("/desktops/office-1/restart").status, 202)
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.b.connect(ticket=ticket).status, 403)
        self.assertEqual(self.denials(), ["stale ticket"])

    def test_loopback_is_one_client(self):
        """a ticket taken over ::1 works from 127.0.0.1"""
        self.ready()
        ticket = self.ticket(client="[::1]:4000").json["ticket"]
        self.assertEqual(self.b.connect(ticket=ticket, client="127.0.0.1:999").status, 200)

    def test_two_users_two_desktops(self):
        """two users at once get a desktop each; both find the same one again"""
        self.ready(spare=2)
        bob_pw = self.site.user("bob", "office")
        self.site.wait_state("office-2", "ready")
        got = {}
        threads = [threading.Thread(target=lambda u=u, p=p: got.__setitem__(
            u, self.b.connect(conn=u, user=u, password=p).json["name"]))
            for u, p in (("alice", self.pw), ("bob", bob_pw))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(got.values()), ["office-1", "office-2"])
        for u, p in (("alice", self.pw), ("bob", bob_pw)):
            self.assertEqual(self.b.connect(user=u, password=p, protocol="rfb").json["name"], got[u])

    def test_held_desktop_is_waited_for(self):
        """the one warm desktop is given although something else (a host's report, say) holds its row just then"""
        self.ready(size_max=1)
        got = []
        holder = subprocess.Popen(["psql", "-XqAt", self.site.cluster.conninfo()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.wait)
        holder.stdin.write("BEGIN;\nSELECT name FROM pane.desktop WHERE name = 'office-1' FOR UPDATE;\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "office-1\n")
        login = threading.Thread(target=lambda: got.append(self.b.connect(user="alice", password=self.pw)))
        login.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%pane.assign(%'"
        self.b.wait(lambda: got or self.site.cluster.value(waits) != "0", "a login that waits, or its answer", 10)
        holder.stdin.write("COMMIT;\n")
        holder.stdin.close()
        login.join()
        holder.stdout.close()
        self.assertEqual((got[0].status, got[0].json.get("name")), (200, "office-1"), got[0])

    def test_connection_waits_for_the_boot(self):
        """a connection is held while the desktop boots, and let through when it is ready"""
        self.h = self.site.host()
        self.h.boot_s = 1.5
        self.site.pool(spare=0)
        pw = self.site.user("alice", "office")
        begin = time.monotonic()
        r = self.b.connect(user="alice", password=pw)
        self.assertEqual(r.status, 200, r)
        self.assertGreater(time.monotonic() - begin, 1.2)
        self.assertGreater(r.json["wait_ms"], 1000)

    def test_rdp_is_told_sooner(self):
        """of two logins to a desktop that does not come up, RDP's is answered first, as such clients give up without a word"""
        self.site.close()
        self.site = panesite.Site(connect_wait_s=6, connect_wait_rdp_s=1).__enter__()
        self.b = self.site.broker
        self.site.host().hang = True
        self.site.pool(spare=0)
        pw, answers = self.site.user("alice", "office"), []

        def ask(protocol):
            answers.append((protocol, self.b.connect(user="alice", password=pw, protocol=protocol, conn=protocol)))
        threads = [threading.Thread(target=ask, args=(protocol,)) for protocol in ("rfb", "rdp")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([(p, r.status, r.code) for p, r in answers],
                         [("rdp", 409, "desktop.starting"), ("rfb", 409, "desktop.starting")])

    def test_starting_is_told(self):
        """a boot that takes longer is 409 desktop.starting for gateways and 202 with percent for thin clients"""
        self.h = self.site.host()
        self.h.hang = True
        self.site.pool(spare=0)
        pw = self.site.user("alice", "office")
        r = self.b.post("/tickets", {"pool": "office"}, token=self.b.login("alice", pw))
        self.assertEqual(r.status, 202, r)
        self.assertEqual(r.json["desktop"], "office-1")
        self.assertIn(r.json["state"], ("cloning", "booting"))
        self.assertTrue(0 < r.json["percent"] < 100)
        begin = time.monotonic()
        r = self.b.connect(user="alice", password=pw)
        self.assertEqual((r.status, r.code), (409, "desktop.starting"))
        self.assertGreater(time.monotonic() - begin, 4)
        self.assertEqual(r.json["error"]["state"], "booting")
        self.assertGreater(r.json["error"]["retry_after_s"], 0)

    def test_resuming(self):
        """who chooses or waits in a gateway's lobby comes back by the broker's word, for that connection only"""
        self.h = self.site.host()
        self.h.hang = True
        self.site.pool(spare=0)
        self.site.pool(name="lab", spare=0)
        pw = self.site.user("alice", "office")
        self.b.post("/pools/lab/entitlements", {"user": "alice"})
        r = self.b.connect(user="alice", password=pw)
        self.assertNotIn("resume", r.json["error"])  # only to who said how long it waits
        r = self.b.connect(user="alice", password=pw, wait_s=1)
        self.assertEqual(r.code, "desktop.choose")
        begin, word = time.monotonic(), r.json["error"]["resume"]
        self.assertEqual(self.b.connect(conn="c2", resume=word, desktop="office", wait_s=1).code, "login.failed")
        self.assertEqual(self.b.connect(resume=word[:-3] + "AAA", desktop="office", wait_s=1).code, "login.failed")
        self.assertEqual(self.b.connect(resume=word, desktop="none", wait_s=1).code, "desktop.unknown")
        r = self.b.connect(resume=word, desktop="office", wait_s=1)
        self.assertEqual(r.code, "desktop.starting")
        self.assertTrue(0 < r.json["error"]["percent"] < 100)
        self.assertLess(time.monotonic() - begin, 4)
        self.h.hang = False
        reply = None
        for _ in range(20):
            reply = self.b.connect(resume=r.json["error"]["resume"], wait_s=3)
            if reply.status == 200:
                break
            self.assertEqual(reply.code, "desktop.starting")
        self.assertEqual((reply.status, reply.json["user"], reply.json["name"]), (200, "alice", "office-1"))
        host_word = reply.json["grant"]  # a host's grant is no word to come back by
        self.assertEqual(self.b.connect(resume=host_word, wait_s=1).code, "login.failed")

    def test_reasons_of_a_refusal(self):
        """every refusal says why, per candidate"""
        def reasons(name, host_state=None):
            r = self.b.connect(user="alice", password=self.pw, desktop=name)
            self.assertEqual((r.status, r.code), (409, "desktop.unavailable"), r)
            return r.json["error"]["reasons"]
        self.pw = self.site.user("alice")
        r = self.b.connect(user="alice", password=self.pw)
        self.assertEqual(r.json["error"]["reasons"], ["you are not entitled to any pool"])
        self.site.pool(name="p1", spare=0)
        for p in ("p1",):
            self.b.post(f"/pools/{p}/entitlements", {"user": "alice"})
        self.assertEqual(reasons("p1"), ["no host is enrolled: create one and run pane-host enroll on it"])
        h = self.site.host("h2", start=False, memory_mib=1200)
        self.assertEqual(reasons("p1"), ["no host has image office",
                                         "host h2: not heard from since it enrolled"])
        h.start()
        self.b.wait(lambda: self.b.get("/hosts/h2").json["state"] == "online", "online")
        for name, more in (("p2", {"memory_mib": 4096}), ("p3", {"image": "other"})):
            self.site.pool(name=name, spare=0, **more)
            self.b.post(f"/pools/{name}/entitlements", {"user": "alice"})
        self.assertEqual(reasons("p2"), ["host h2: needs 4096 MiB, 1200 free"])
        self.assertEqual(reasons("p3"), ["no host has image other", "host h2: no image other"])
        self.site.pool(name="p4", spare=0, size_max=1)
        bob = self.site.user("bob", "p4")
        self.b.post("/pools/p4/entitlements", {"user": "alice"})
        self.assertEqual(self.b.connect(user="bob", password=bob).status, 200)
        self.assertEqual(reasons("p4"), ["pool p4 is full: 1 of 1 assigned"])
        h.kvm = "none"
        self.b.wait(lambda: self.b.get("/hosts/h2").json["kvm"] == "none", "no kvm")
        self.assertEqual(reasons("p1"), ["host h2: no KVM"])

    def test_choosing(self):
        """who has several pools is asked to choose, by pool or desktop name; a strange name is 404"""
        self.ready(spare=1)
        self.site.pool(name="lab", spare=0)
        self.b.post("/pools/lab/entitlements", {"user": "alice"})
        r = self.b.connect(user="alice", password=self.pw)
        self.assertEqual((r.status, r.code, r.json["error"]["reasons"]),
                         (409, "desktop.choose", ["lab", "office"]))
        self.assertEqual(self.b.connect(user="alice", password=self.pw, desktop="lab").json["name"], "lab-1")
        self.assertEqual(self.b.connect(user="alice", password=self.pw, desktop="lab-1").json["name"], "lab-1")
        r = self.b.connect(user="alice", password=self.pw, desktop="office-1")
        self.assertEqual((r.status, r.code), (404, "desktop.unknown")) # not hers (yet)
        items = self.b.get("/me/desktops", token=self.alice).json["items"]
        self.assertEqual([(i["pool"], i["desktop"]) for i in items], [("lab", "lab-1"), ("office", None)])

    def test_session_follows_viewers(self):
        """connecting, connected, disconnected, connected again: the host's viewers drive the session"""
        self.ready()
        self.assertEqual(self.ticket().status, 200)
        self.assertEqual(self.session(), "ticketed")
        self.b.connect(user="alice", password=self.pw)
        self.assertEqual(self.session(), "connecting")
        self.h.set("office-1", viewers=viewer())
        self.assertEqual(self.session(), "connected")
        self.h.set("office-1", viewers=[])
        self.assertEqual(self.session(), "disconnected")
        self.b.connect(user="alice", password=self.pw, conn="c2")
        self.h.set("office-1", viewers=viewer("c2"))
        self.assertEqual(self.session(), "connected")
        kinds = [(e["from_state"], e["to_state"]) for e in self.site.desktop("office-1")["events"]
                 if e["kind"] == "session"][::-1]
        self.assertEqual(kinds, [("none", "ticketed"), ("ticketed", "connecting"),
                                 ("connecting", "connected"), ("connected", "disconnected"),
                                 ("disconnected", "connecting"), ("connecting", "connected")])

    def test_released_desktop_is_recycled_first(self):
        """a used floating desktop is wiped on its host before anyone else gets it"""
        self.ready(size_max=1, spare=1)
        self.b.connect(user="alice", password=self.pw)
        before = self.site.desktop("office-1")
        bob = self.site.user("bob", "office")
        self.h.hang = True
        self.assertEqual(self.b.post("/desktops/office-1/release").status, 202)
        self.assertIn(self.site.desktop("office-1")["state"], ("recycling", "requested", "cloning"))
        self.h.hang = False
        self.site.wait_state("office-1", "ready")
        r = self.b.connect(user="bob", password=bob)
        self.assertEqual((r.status, r.json["desktop"]), (200, before["id"]))
        orders = [o for o in self.h.orders if o[0] == before["id"]]
        self.assertEqual([o[2] for o in orders], ["running", "absent", "running"])
        self.assertEqual([o[1] for o in orders], sorted({o[1] for o in orders}))

    def test_disconnected_too_long(self):
        """a floating desktop is let go after its pool's time; a dedicated one is kept"""
        self.ready(logoff_after_s=1, size_max=2)
        self.site.pool(name="own", assignment="dedicated", spare=0, logoff_after_s=1)
        self.b.post("/pools/own/entitlements", {"user": "alice"})
        for p in ("office", "own"):
            self.assertEqual(self.b.connect(user="alice", password=self.pw, desktop=p).status, 200)
        for d in ("office-1", "own-1"):
            self.h.set(d, viewers=viewer())
            self.h.set(d, viewers=[])
        self.b.wait(lambda: self.site.desktop("office-1").get("user") is None, "released")
        self.assertEqual(self.site.desktop("own-1")["user"], "alice")

    def test_guest_poweroff_is_a_logoff(self):
        """a floating desktop whose guest powers off is released; a dedicated one is started again"""
        self.ready(size_max=1)
        self.site.pool(name="own", assignment="dedicated", spare=0)
        self.b.post("/pools/own/entitlements", {"user": "alice"})
        for p in ("office", "own"):
            self.b.connect(user="alice", password=self.pw, desktop=p)
        self.h.set("office-1", state="stopped", reason="guest powered off")
        self.h.set("own-1", state="stopped", reason="guest powered off")
        row = self.site.desktop("own-1")
        self.assertEqual((row["user"], row["want"]), ("alice", "running"))
        self.b.wait(lambda: self.site.desktop("office-1").get("user") is None, "released")

    def test_admin_verbs(self):
        """restart keeps disk and user, recycle starts over, session delete logs off, delete removes"""
        self.ready(size_max=2)
        self.b.connect(user="alice", password=self.pw)
        first = self.site.desktop("office-1")
        self.b.post("/desktops/office-1/restart")
        self.site.wait_state("office-1", "ready")
        row = self.site.desktop("office-1")
        self.assertEqual((row["user"], row["id"], row["dirty"]), ("alice", first["id"], True))
        self.assertGreater(row["epoch"], first["epoch"])
        sid = self.b.get("/sessions").json["items"][0]["id"]
        self.assertEqual(self.b.call("DELETE", f"/sessions/{sid}").status, 204)
        self.b.wait(lambda: self.site.desktop("office-1").get("dirty") is False, "recycled")
        self.assertEqual(self.b.get("/sessions").json["items"], [])
        self.site.wait_state("office-1", "ready")
        self.b.call("PATCH", "/pools/office", {"spare": 0})
        self.assertEqual(self.b.call("DELETE", "/desktops/office-1").status, 202)
        self.b.wait(lambda: self.b.get("/desktops/office-1").status == 404, "gone")
        self.b.wait(lambda: first["id"] not in self.h.desktops, "off the host")
        r = self.b.post("/desktops/nope/restart")
        self.assertEqual((r.status, r.code), (404, "desktop.unknown"))

    def test_withdrawn_entitlement(self):
        """who loses the entitlement loses the desktop, and an old ticket with it"""
        self.ready()
        ticket = self.ticket().json["ticket"]
        self.assertEqual(self.b.call("DELETE", "/pools/office/entitlements/alice").status, 204)
        self.assertEqual(self.b.connect(ticket=ticket).status, 403)
        self.assertEqual(self.b.connect(user="alice", password=self.pw).code, "desktop.unavailable")

    def test_pool_life(self):
        """spare desktops are kept, a pool in use is not deleted unless forced, then its desktops go"""
        self.ready(size_max=3, spare=2)
        self.site.wait_state("office-2", "ready")
        name = self.b.connect(user="alice", password=self.pw).json["name"]
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] == 2, "spares")
        self.assertEqual(self.b.get("/pools/office").json["desktops"], 3)
        r = self.b.call("DELETE", "/pools/office")
        self.assertEqual((r.status, r.code), (409, "pool.busy"))
        self.assertEqual(r.json["error"]["reasons"], [f"desktop {name} is assigned to alice"])
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"spare": 9}).status, 400)
        self.assertEqual(self.b.call("DELETE", "/pools/office?force=true").status, 204)
        self.assertEqual(self.b.get("/pools/office").status, 404)
        self.b.wait(lambda: not self.b.get("/desktops").json["items"], "desktops gone")
        self.b.wait(lambda: not self.h.desktops, "off the host")

    def test_bad_connection_requests(self):
        """a gateway that asks nonsense gets 400 and nothing happens"""
        for body in ({"protocol": "spice", "conn": "c", "client": "x"}, {"protocol": "rdp"},
                     {"protocol": "rdp", "conn": "c" * 40, "client": "x", "ticket": "t"}):
            r = self.b.call("POST", "/connections", body, sock=self.b.internal, prefix="/internal/v1")
            self.assertEqual(r.status, 400, body)


if __name__ == "__main__":
    unittest.main()
