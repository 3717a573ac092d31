# SPDX-License-Identifier: GPL-3.0-or-later
"""What a daemon tells Prometheus: fetched, judged by Prometheus' own promtool, and read."""
import http.client
import re
import shutil
import socket
import subprocess


def ask(address, path="/metrics", method="GET"):
    """Status, headers and text from "/path/of.sock" or ("127.0.0.1", port)."""
    link = http.client.HTTPConnection("localhost", timeout=10)
    if isinstance(address, str):
        link.sock = socket.socket(socket.AF_UNIX)
        link.sock.settimeout(10)
        link.sock.connect(address)
    else:
        link.sock = socket.create_connection(address, 10)
    try:
        link.request(method, path)
        answer = link.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        link.close()


def promtool(*words, stdin=None):
    """What is wrong by Prometheus' own judgement; "" when nothing is."""
    if not shutil.which("promtool"):
        raise AssertionError("promtool is missing (package prometheus): run make deps")
    done = subprocess.run(["promtool", *words], input=stdin, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


class Told:
    """One scrape: samples by (name, label values)."""

    def __init__(self, text):
        self.text, self.samples = text, {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            key = name, frozenset(pairs)
            assert key not in self.samples, f"{line} is told twice"
            self.samples[key] = float(value)

    def __call__(self, metric, **labels):
        """The sum of the samples that have these labels; None when there is none."""
        fit = [v for (n, have), v in self.samples.items() if n == metric and set(labels.items()) <= have]
        return sum(fit) if fit else None

    def names(self):
        return {name for name, _ in self.samples}


def scrape(address):
    status, headers, text = ask(address)
    assert status == 200, text
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    return Told(text)
