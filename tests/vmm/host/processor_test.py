# SPDX-License-Identifier: GPL-3.0-or-later
"""Processors of a host: what desktops took of them by part, as the agent reports it to broker and Prometheus; and that busy virtual
machines share them by desktop, not by how many threads each keeps busy."""
import os
import re
import unittest

import promtext
from agent_test import D1, D2, Story
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


def may_group():
    """Whether whoever runs this may make control groups for processors (as tests of root may nearly everywhere)."""
    if os.access("/sys/fs/cgroup/cgroup.subtree_control", os.W_OK):
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as file:
            return "cpu" in file.read().split()
    return os.access("/sys/fs/cgroup/cpu/cgroup.procs", os.W_OK)


def group_of(pid):
    """The directory of a process's group, of the hierarchy that shares processors out."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        text = file.read()
    found = re.search(r"^\d+:(?:cpu|cpu,\w+|\w+,cpu):(/.*)$", text, re.M)
    return f"/sys/fs/cgroup/cpu{found[1]}" if found else f"/sys/fs/cgroup{re.search(r'^0::(/.*)$', text, re.M)[1]}"


def members(group):
    with open(f"{group}/cgroup.procs", encoding="ascii") as file:
        return [int(line) for line in file]


def took_s(group):
    """Processor time of a group's processes so far."""
    ticks = 0
    for pid in members(group):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            ticks += sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@unittest.skipUnless(may_group(), "no control groups of the controller cpu may be made here")
class Shares(Story):
    def two(self):
        self.host.image()
        self.host.start()
        os.sched_setaffinity(self.host.proc.pid, {min(os.sched_getaffinity(0))}) # what it starts has one processor
        for desktop, name in ((D1, "office-1"), (D2, "office-2")):
            self.broker.order(desktop, name=name)
            self.state(desktop, "ready")
        return [group_of(self.vmm(desktop)) for desktop in (D1, D2)]

    def test_shares(self):
        """a virtual machine with one busy thread has half of a processor beside one with four"""
        groups = self.two()
        self.assertEqual([os.path.basename(g) for g in groups], [f"vm-{D1}", f"vm-{D2}"])
        self.host.control(D2, op="work", **{"as": "vcpu", "s": 600, "processes": 4})
        self.host.control(D1, op="work", **{"as": "vcpu", "s": 600, "processes": 1})
        self.addCleanup(lambda: [os.kill(pid, 9) for g in groups for pid in members(g)])
        until(lambda: (len(members(groups[0])), len(members(groups[1]))) == (2, 5), lambda: str([members(g) for g in groups]))
        begin = [took_s(g) for g in groups]
        had = lambda: [took_s(g) - b for g, b in zip(groups, begin)]
        took = until(lambda: sum(now := had()) > 2 and now, lambda: str(had()), 120)
        self.assertGreater(took[0] / sum(took), 0.35, took) # 0.2 by threads
        print(f"# {took[0]:.2f} s with one busy thread, {took[1]:.2f} s with four")

    def test_life(self):
        """its group goes with a machine, also when another agent took it up"""
        groups = self.two()
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped")
        self.assertFalse(os.path.exists(groups[0]))
        self.host.kill()
        self.host.start()
        self.state(D2, "ready")
        self.assertEqual(members(groups[1]), [self.vmm(D2)])
        self.broker.order(D2, want="stopped")
        self.state(D2, "stopped")
        until(lambda: not os.path.exists(groups[1]), lambda: str(members(groups[1])))
        self.assertNotIn("host.group", self.host.log_text())


if __name__ == "__main__":
    unittest.main()
