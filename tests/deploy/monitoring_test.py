# SPDX-License-Identifier: GPL-3.0-or-later
"""The Prometheus rules and the Grafana dashboard ask for what daemons that run really tell; what docs/security.md names exists."""
import glob
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

import broker as broker_mod
import panesite
import promtext
from tools.gateway_rig import GatewayRig, exactly, rfb_display, until_closed

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vmm/host"))
import rig # of the host agent

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


def gateway(test):
    """What a gateway tells that has had a session and dropped somebody."""
    path = f"/tmp/pane-monitoring-{os.getpid()}.sock"
    gw = GatewayRig(metrics_listen=f"unix:{path}")
    test.addCleanup(gw.close)
    gw.host.handle = rfb_display
    t = gw.rfb("alice", "wonderland")
    exactly(t, 4)
    with gw.connect("https") as s:
        s.sendall(b"not TLS")
        until_closed(s)
    test.addCleanup(os.unlink, path)
    return files(test, path)


def host(test):
    folder = tempfile.mkdtemp(prefix="pane-monitoring-")
    test.addCleanup(shutil.rmtree, folder, True)
    agent = rig.Host(folder, rig.Broker(rig.Pki(folder)))
    test.addCleanup(agent.stop)
    agent.enroll()
    agent.start()
    return files(test, agent.metrics)


def files(test, path):
    """As node_exporter gets it: by the script that the README names."""
    folder = tempfile.mkdtemp(prefix="pane-monitoring-")
    test.addCleanup(shutil.rmtree, folder, True)
    os.mkdir(f"{folder}/pane-it")
    os.symlink(path, f"{folder}/pane-it/metrics.sock")
    script = [f"{TOP}/deploy/monitoring/textfile", folder]
    subprocess.run([*script, f"{folder}/pane-it/metrics.sock"], check=True)
    with open(f"{folder}/pane-it.prom", encoding="utf-8") as file:
        text = file.read()
    os.unlink(f"{folder}/pane-it/metrics.sock")
    subprocess.run([*script, f"{folder}/pane-it/metrics.sock"], check=True)
    test.assertEqual(os.listdir(folder), ["pane-it"]) # nothing old is left of who does not answer
    return text


class Monitoring(unittest.TestCase):
    def test_metrics(self):
        """every metric, label and state that a rule or panel names is one that broker, gateway, host agent or canary tell of, in a form promtool takes"""
        with panesite.Site() as site:
            site.host()
            site.pool()
            password = site.user("alice", "office")
            site.wait_state("office-1", "ready")
            self.assertEqual(site.broker.connect(user="alice", password=password).status, 200) # a session
            texts = [broker_mod.request(site.broker.internal, "GET", "/metrics").text, canary(), gateway(self), host(self)]
            states = {row[0] for row in site.cluster.sql("select unnest(enum_range(null::pane.machine_state))::text union select 'online' "
                                                         "union select 'offline'", database=site.cluster.database)}
        for text in texts:
            self.assertEqual(promtext.promtool("check", "metrics", stdin=text), "")
        text, told = "".join(texts), {}
        for name, labels in re.findall(r"^(pane_\w+)(?:\{(.*)\})? [-\d.]+$", text, re.M):
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
                self.assertLessEqual(set(by.split(", ")), told[names[-1]], where)
        self.assertGreater(count, 30)
        self.assertEqual(promtext.promtool("check", "rules", f"{TOP}/deploy/monitoring/alerts.yml"), "")

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
