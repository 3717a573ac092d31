# SPDX-License-Identifier: GPL-3.0-or-later
"""Processors of a host: what desktops took of them by part, as the agent reports it to broker and Prometheus."""
import unittest

import promtext
from agent_test import D1, Story
from rig import until


class Parts(Story):
    settings = {"usage_s": 1}

    def looks(self):
        """Every look of the agent that comes, by the time it is of."""
        seen = self.broker.report and self.broker.report.get("usage")
        return [row for row in (seen or {}).get("desktops", []) if row[0] == D1]

    def test_io(self):
        """what a machine's threads for disks and network cards took is reported and counted apart from the rest of its process"""
        self.running()
        until(self.looks, self.host.log_text)
        self.host.control(D1, op="work", **{"as": "io-blk", "s": 0.3})
        until(lambda: promtext.scrape(self.host.metrics)("pane_host_desktops_cpu_seconds_total", of="io") >= 0.28, lambda: promtext.scrape(self.host.metrics).text)
        io = promtext.scrape(self.host.metrics)("pane_host_desktops_cpu_seconds_total", of="io")
        self.assertLess(io, 0.4)
        vmm = promtext.scrape(self.host.metrics)("pane_host_desktops_cpu_seconds_total", of="vmm")
        self.host.control(D1, op="work", **{"as": "vcpu0", "s": 0.3})
        now = until(lambda: (n := promtext.scrape(self.host.metrics)) and n("pane_host_desktops_cpu_seconds_total", of="vmm") >= vmm + 0.28 and n,
                    lambda: promtext.scrape(self.host.metrics).text)
        self.assertLess(now("pane_host_desktops_cpu_seconds_total", of="io"), io + 0.1)
        self.assertEqual(now("pane_host_desktops_cpu_seconds_total", of="guest"), 0)
        self.assertEqual(promtext.promtool("check", "metrics", stdin=now.text), "")
        row = until(self.looks, self.host.log_text)[0]
        self.assertEqual(len(row), 11)
        self.assertIsInstance(row[10], int)


if __name__ == "__main__":
    unittest.main()
