# SPDX-License-Identifier: GPL-3.0-or-later
"""The Prometheus rules and the Grafana dashboard ask for what a broker that runs really tells; what docs/security.md names exists."""
import glob
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest

import yaml

import broker as broker_mod
import panesite

TOP = broker_mod.SOURCE
WORDS = {"pool", "state", "status"} # labels


def expressions():
    """Where from, and the expression."""
    with open(f"{TOP}/deploy/monitoring/alerts.yml", encoding="utf-8") as file:
        for group in yaml.safe_load(file)["groups"]:
            for rule in group["rules"]:
                yield rule["alert"], rule["expr"]
    with open(f"{TOP}/deploy/monitoring/dashboard.json", encoding="utf-8") as file:
        for panel in json.load(file)["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"]


def canary():
    """What pane-canary would write had it done all its parts."""
    loader = importlib.machinery.SourceFileLoader("canary", f"{TOP}/deploy/canary")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("canary", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    done = module.Canary.__new__(module.Canary)
    done.took, done.at = dict.fromkeys(module.SEGMENTS, 1.0), "picture"
    return done.metrics(None)


class Monitoring(unittest.TestCase):
    def test_metrics(self):
        """every metric, label and state that a rule or panel names is one the broker tells of"""
        with panesite.Site() as site:
            site.host()
            site.pool()
            password = site.user("alice", "office")
            site.wait_state("office-1", "ready")
            self.assertEqual(site.broker.connect(user="alice", password=password).status, 200) # a session
            text = broker_mod.request(site.broker.internal, "GET", "/metrics").text + canary()
            states = {row[0] for row in site.cluster.sql("select unnest(enum_range(null::pane.machine_state))::text union select 'online' "
                                                         "union select 'offline'", database=site.cluster.database)}
        told = {}
        for name, labels in re.findall(r"^(pane_\w+)(?:\{(.*)\})? [\d.]+$", text, re.M):
            told.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
        count = 0
        for where, expr in expressions():
            names = re.findall(r"pane_\w+", expr)
            self.assertTrue(names, where)
            for name in names:
                self.assertIn(name, told, where)
                count += 1
            for name, matchers in re.findall(r"(pane_\w+)\{([^}]*)\}", expr):
                for label, value in re.findall(r"(\w+)=~?\"([^\"]*)\"", matchers):
                    self.assertIn(label, told[name], where)
                    if label == "state":
                        self.assertLessEqual(set(value.split("|")), states, where)
            for by in re.findall(r"(?:by|on) \(([^)]*)\)", expr):
                self.assertIn(by, told[names[-1]], where)
        self.assertGreater(count, 12)

    def test_canary_page(self):
        """every flag that pane-canary --help names has its place in the manual page"""
        said = subprocess.run([f"{TOP}/deploy/canary", "--help"], capture_output=True, text=True, check=True).stdout
        with open(f"{TOP}/docs/man/pane-canary.8.scd", encoding="utf-8") as file:
            page = file.read()
        flags = set(re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", said))
        self.assertGreater(len(flags), 7)
        self.assertEqual({flag for flag in flags if f"*{flag}*" not in page}, set())

    def test_rules(self):
        """every rule says what is so and what to do"""
        with open(f"{TOP}/deploy/monitoring/alerts.yml", encoding="utf-8") as file:
            rules = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
        for rule in rules:
            self.assertLessEqual({"summary", "action"}, set(rule["annotations"]), rule["alert"])
            self.assertIn(rule["labels"]["severity"], ("page", "warn"))
        self.assertEqual(len({r["alert"] for r in rules}), len(rules))

    def test_security(self):
        """every test that docs/security.md names is there"""
        with open(f"{TOP}/docs/security.md", encoding="utf-8") as file:
            text = file.read()
        checked = 0
        for cell in re.findall(r"\| ([^|]*tests/[^|]*) \|", text):
            folder = ""
            for name in re.findall(r"`([\w/.*-]+)`", cell):
                if name.startswith("tests/"):
                    folder = os.path.dirname(name) if not name.endswith("/") else name
                    path = f"{TOP}/{name}"
                elif re.search(r"\.(py|c|txt)$", name):
                    path = f"{TOP}/{folder}/{name}"
                else:
                    continue
                self.assertTrue(glob.glob(path), f"{name} in: {cell}")
                checked += 1
        self.assertGreater(checked, 25)


if __name__ == "__main__":
    unittest.main()
