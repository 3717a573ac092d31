# SPDX-License-Identifier: GPL-3.0-or-later
"""One direction of one line is lost, each in turn, between gateway, host agent, broker and PostgreSQL, in a network of this test's own. Who is
connected over another line goes on, who is cut off is told, and all is well when the line is back. Prints what was seen and for how long."""
import re
import time
import unittest

import apart
import panesite
import pg
import rfb
import whole

TIMEOUT = 400
WHY_NOT = apart.enter(net=True)


class Lines(unittest.TestCase):
    """The agent reaches the gateway by an address of its own, so that its line can be lost and people's not."""

    @classmethod
    def setUpClass(cls):
        if WHY_NOT:
            raise unittest.SkipTest(WHY_NOT)
        cls.site = whole.card_site()
        cls.addClassCleanup(cls.site.down)
        cls.addClassCleanup(apart.heal)
        https = cls.site.ports["https"]
        cls.site.policy.update(poll_max_s=2, host_lost_s=6)
        cls.site.gateway_options["https_listen"] = f"127.0.0.1:{https}, 127.0.0.2:{https}"
        write = cls.site.write_host_conf

        def by_the_other():
            write()
            path = f"{cls.site.conf}/host.conf"
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(f"https://127.0.0.1:{https}", f"https://127.0.0.2:{https}"))
        cls.site.write_host_conf = by_the_other
        cls.site.up()
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.wait_ready()
        # Who was told a size before the desktop said its own, and cannot be told another, is sent away: comes again.
        whole.wait_until(cls.try_viewer, 60, "a first viewer").close()

    @classmethod
    def viewer(cls):
        view = rfb.Rfb(cls.site.ports["rfb"], f"{cls.site.pki}/ca.crt", "alice", cls.password, timeout=30)
        view.ask(False)
        view.update()
        return view

    def works(self, view):
        """A word typed arrives in the guest; seconds."""
        word, begin, desktop = whole.word(), time.monotonic(), self.site.desktop_of("alice")
        for letter in word + "\r":
            view.key(0xff0d if letter == "\r" else ord(letter))
        self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 30, f"'{word}' in the guest")
        return time.monotonic() - begin

    def state(self):
        return self.site.admin.items("/hosts")[0]["state"]

    def agents_line(self, match, which):
        """The session goes on, the broker sees the host lost, a new viewer is told or let in; back, the host is online."""
        view = self.viewer()
        self.addCleanup(view.close)
        self.works(view)
        apart.lose(match)
        begin = time.monotonic()
        self.site.wait(lambda: self.state() != "online", 40, "the host is lost")
        noticed = time.monotonic() - begin
        typed = self.works(view)
        told = "let in"
        try:
            self.viewer().close()
        except (OSError, PermissionError) as problem:
            told = f"told: {problem}"
        apart.heal()
        begin = time.monotonic()
        self.site.wait(lambda: self.state() == "online", 60, "the host is back")
        back = time.monotonic() - begin
        self.works(view)
        self.viewer().close()
        print(f"# {which}: the host was missed after {noticed:.1f} s, the session went on (a key {typed:.1f} s), who connected meanwhile was {told}; "
              f"online {back:.1f} s after the line was back", flush=True)

    def test_agent_to_gateway(self):
        """what the agent sends to the gateway is lost: sessions go on, the host is missed, and back when the line is"""
        self.agents_line(f"ip daddr 127.0.0.2 tcp dport {self.site.ports['https']}", "agent -> gateway and broker")

    def test_gateway_to_agent(self):
        """what the gateway answers the agent is lost: the same"""
        self.agents_line(f"ip saddr 127.0.0.2 tcp sport {self.site.ports['https']}", "gateway and broker -> agent")

    def refused(self):
        begin = time.monotonic()
        with self.assertRaises((ConnectionError, OSError, PermissionError)):
            self.viewer()
        return f", a new one refused after {time.monotonic() - begin:.1f} s"

    def door(self, match, which, newcomer):
        """The viewer is told within 15 s, a new one is refused in time; back, a new one finds the same screen."""
        view = self.viewer()
        self.addCleanup(view.close)
        word_before = self.works(view)
        apart.lose(match)
        begin = time.monotonic()
        view.link.settimeout(60)
        with self.assertRaises((ConnectionError, OSError)):
            while True:
                view.ask()
                view.update()
        told = time.monotonic() - begin
        self.assertLess(told, 40)
        refused = self.refused() if newcomer else ""
        apart.heal()
        begin = time.monotonic()
        again = whole.wait_until(self.try_viewer, 60, "a viewer")
        back = time.monotonic() - begin
        self.addCleanup(again.close)
        self.works(again)
        print(f"# {which}: the viewer was told after {told:.1f} s{refused}, in again {back:.1f} s after the line was back "
              f"(a key took {word_before:.1f} s before)", flush=True)

    @classmethod
    def try_viewer(cls):
        try:
            return cls.viewer()
        except (OSError, PermissionError):
            return None

    def test_gateway_to_door(self):
        """what the gateway sends to the host's door is lost: viewers are told, and find the same screen when the line is back"""
        self.door(f"tcp dport {self.site.ports['host']}", "gateway -> host", newcomer=True)

    def test_door_to_gateway(self):
        """what the host's door sends is lost: the same"""
        self.door(f"tcp sport {self.site.ports['host']}", "host -> gateway", newcomer=False)


class Database(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if WHY_NOT:
            raise unittest.SkipTest(WHY_NOT)
        cluster = pg.shared()
        cluster.sql("alter system set listen_addresses = '127.0.0.1'", database="postgres")
        cluster.stop()
        cluster.start()
        cls.site = panesite.Site().__enter__()
        cls.addClassCleanup(cls.site.close)
        cls.addClassCleanup(apart.heal)
        b = cls.site.broker
        b.stop()
        with open(b.config, encoding="utf-8") as file:
            text = file.read()
        with open(b.config, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^conninfo = host=\S+", "conninfo = host=127.0.0.1", text, flags=re.M))
        b.start()
        cls.password = cls.site.user("alice")

    def lost(self, match, which):
        """Requests are answered with the reason, in bounded time; back, they work."""
        b = self.site.broker
        apart.lose(match)
        begin, slowest = time.monotonic(), 0
        while True:
            asked = time.monotonic()
            reply = b.get("/me", timeout=60)
            slowest = max(slowest, time.monotonic() - asked)
            if reply.status != 200:
                break
            self.assertLess(time.monotonic() - begin, 60)
        noticed = time.monotonic() - begin
        self.assertEqual(reply.status, 503)
        self.assertIn(reply.code, ("database.unavailable", "database.slow"))
        apart.heal()
        begin = time.monotonic()
        b.wait(lambda: b.post("/login", {"user": "alice", "password": self.password}, token="").status == 200, "a login", 60)
        print(f"# {which}: people were told {reply.code} after {noticed:.1f} s, no request waited longer than {slowest:.1f} s; logins {time.monotonic() - begin:.1f} s "
              "after the line was back", flush=True)

    def test_broker_to_database(self):
        """what the broker sends to PostgreSQL is lost: people are told in bounded time; back, logins work"""
        self.lost("tcp dport 5432", "broker -> PostgreSQL")

    def test_database_to_broker(self):
        """what PostgreSQL answers is lost: the same"""
        self.lost("tcp sport 5432", "PostgreSQL -> broker")


if __name__ == "__main__":
    unittest.main()
