# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host agent tells Prometheus: desktops, starts, ends, its talk with the broker, memory, images and certificates, as they are."""
import os
import unittest

import promtext
from agent_test import D1, D2, Story
from rig import until


class Metrics(Story):
    def told(self):
        return promtext.scrape(self.host.metrics)

    def until(self, what, check):
        return until(lambda: (now := self.told()) and check(now) and now, lambda: f"{what}: {self.told().text}")

    def test_told(self):
        """desktops by kind and state, starts and their time, displays, images and certificates; in a form that promtool takes"""
        self.host.image(fill=b"x" * 300000)
        self.host.start()
        now = self.until("the first orders", lambda n: n("pane_host_syncs_total", result="ok") >= 1)
        self.assertEqual(now("pane_host_desktops"), 0)
        self.assertEqual(now("pane_host_start_seconds_count"), 0)
        self.assertLess(now("pane_host_sync_age_seconds"), 5)
        self.broker.order(D1)
        self.state(D1, "ready")
        self.broker.order(D2, image="missing")
        self.state(D2, "failed")
        now = self.told()
        self.assertEqual(now("pane_host_desktops", kind="vm", state="ready"), 1)
        self.assertEqual(now("pane_host_desktops", kind="vm", state="failed"), 1)
        self.assertEqual(now("pane_host_desktops"), 2)
        self.assertEqual(now("pane_host_start_seconds_count", how="boot"), 1)
        self.assertEqual(now("pane_host_start_seconds_bucket", how="boot", le="+Inf"), 1)
        self.assertGreaterEqual(now("pane_host_starts_refused_total"), 1)
        self.assertEqual(now("pane_host_starting"), 0)
        self.assertEqual((now("pane_host_cpus")), os.cpu_count())
        self.assertEqual(now("pane_host_memory_bytes", of="promised"), 64 << 20)
        self.assertGreater(now("pane_host_memory_bytes", of="total"), now("pane_host_memory_bytes", of="free"))
        self.assertGreater(now("pane_host_disk_free_bytes"), 1 << 20)
        self.assertEqual(now("pane_host_images"), 1)
        self.assertGreaterEqual(now("pane_host_images_bytes"), 300000)
        self.assertLess(now("pane_host_images_bytes"), 1 << 20) # what it takes, not its size
        self.assertGreater(now("pane_host_certificate_expires_seconds", name="host"), 3600)
        self.assertGreater(now("pane_host_certificate_expires_seconds", name="ca"), 3600)
        self.assertEqual(promtext.promtool("check", "metrics", stdin=now.text), "")
        for word in ("office", D1, "alice"):
            self.assertNotIn(word, now.text)

    def test_ends(self):
        """an end that nobody asked for is told apart from one that was ordered, and a machine taken up again is no start"""
        self.running()
        self.host.control(D1, op="end", how="panic")
        now = self.until("the panic", lambda n: n("pane_host_ends_total", how="panic", wanted="no") == 1)
        self.until("it is back", lambda n: n("pane_host_start_seconds_count", how="boot") == 2)
        self.assertEqual(now("pane_host_ends_total", how="poweroff", wanted="yes"), None)
        self.host.kill()
        self.host.start()
        self.until("orders", lambda n: n("pane_host_syncs_total", result="ok"))
        now = self.told()
        self.assertEqual(now("pane_host_desktops", state="ready"), 1)
        self.assertEqual(now("pane_host_start_seconds_count"), 0)
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped")
        now = self.told()
        self.assertEqual(now("pane_host_ends_total", kind="vm", how="poweroff", wanted="yes"), 1)
        self.assertEqual(now("pane_host_ends_total", wanted="no"), 0)

    def test_broker_away(self):
        """while the broker is away failures are counted and the age of its last word grows"""
        self.host.start()
        self.until("orders", lambda n: n("pane_host_syncs_total", result="ok"))
        self.broker.away = True
        self.broker.say() # ends the poll that waits
        now = self.until("failures", lambda n: n("pane_host_syncs_total", result="failed") >= 2 and n("pane_host_sync_age_seconds") > 1)
        self.assertEqual(promtext.promtool("check", "metrics", stdin=now.text), "")


class Turns(Story):
    settings = {"starts_at_once": 1}

    def test_queue(self):
        """who starts and who waits for a turn are told"""
        self.host.image(cmdline="standin.slow")
        self.host.start()
        self.broker.order(D1)
        self.state(D1, "booting")
        self.broker.order(D2)
        self.reason(D2, "waiting for its turn")
        now = promtext.scrape(self.host.metrics)
        self.assertEqual((now("pane_host_starting"), now("pane_host_starts_queued")), (1, 1))


del Story # its stories are told once, in agent_test

if __name__ == "__main__":
    unittest.main()
