# SPDX-License-Identifier: GPL-3.0-or-later
"""Every route of the API that an administrator needs has a word of `pane`. What calls a route by hand is listed in BY_HAND,
what has none in WITHOUT, each with the reason; a new route in broker/openapi.yaml is in none of them and fails."""
import glob
import os
import re
import subprocess
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAM = os.path.join(os.environ.get("PANE_BUILD", f"{TOP}/build/release"), "bin", "pane")

BY_HAND = { # route -> the words whose code calls it
    "POST /logout": "logout", "POST /me/password": "passwd", "POST /me/totp": "totp enroll",
    "POST /me/totp/confirm": "totp move", "POST /me/totp/end": "totp end", "POST /directory/test": "directory test",
    "POST /oidc/test": "oidc test", "POST /tickets": "ticket", "POST /users/import": "users import", "POST /apply": "apply",
    "GET /export": "export", "GET /audit": "audit list", "GET /logons": "logons list", "GET /usage": "usage",
    "PATCH /pools/{}/rollout": "pools update", "GET /pools/{}/rollout": "pools show", "POST /images": "image import",
    "PUT /images/{}/{}/data": "image import", "GET /images/{}/{}": "image export", "GET /images/{}/{}/files/{}": "image export",
    "DELETE /images/{}/{}": "image delete", "DELETE /images/{}": "image delete", "GET /recordings/{}": "record export",
    "GET /recordings/{}/data": "record export", "POST /sessions/{}/shadow": "sessions shadow", "POST /hosts": "hosts create",
    "POST /terminals/codes": "thin enrol-code"}
WITHOUT = { # route -> why there is none
    "GET /audit/export": "a page of CSV: pane audit list --last 10000, with --json for programs",
    "GET /events": "a stream for the console; pane desktops show has a desktop's history",
    "GET /desktops/{}/usage": "points of a chart; pane usage is the report", "GET /hosts/{}/usage": "the same",
    "GET /desktops/{}/picture": "a picture", "POST /pictures": "the same: asks for pictures",
    "POST /me/desktops/{}/restart": "of the portal, for users; pane desktops restart is the administrator's"}
NOBODYS = ("anyone", "gateway", "host") # roles of routes that no person with a login calls


def routes(without=NOBODYS):
    """Of people: "METHOD /path" with {} for what varies, as openapi.yaml says."""
    path = method = None
    with open(f"{TOP}/broker/openapi.yaml", encoding="utf-8") as f:
        for line in f:
            found = re.match(r"  (/\S+):$", line)
            path = found[1] if found else path
            found = re.match(r"    (get|post|put|patch|delete):$", line)
            method = found[1].upper() if found else method
            found = re.match(r"      x-role: (\S+)", line)
            if found and path.startswith("/api/v1") and found[1] not in without:
                yield f"{method} {re.sub(r'{[^}]*}', '{}', path.removeprefix('/api/v1'))}"


def tables():
    """What the tables of commands call by themselves."""
    for name in glob.glob(f"{TOP}/clients/cli/command_*.c"):
        with open(name, encoding="utf-8") as f:
            for entry in re.findall(r"\{\.noun.*?\}(?=,\n)", f.read(), re.S):
                method, path = re.search(r'\.method = "(\w+)"', entry), re.search(r'\.path = V "([^"?]+)', entry)
                if method and path:
                    yield f"{method[1]} {re.sub(r'{[^}]*}', '{}', path[1])}"


class Words(unittest.TestCase):
    def test_routes(self):
        """every route of the API that an administrator needs has a word of pane; the others say why they have none"""
        known = set(tables()) | set(BY_HAND) | set(WITHOUT)
        there = set(routes())
        self.assertGreater(len(there), 100)
        self.assertEqual(sorted(there - known), [], "no word of pane calls these: add one, or say in WITHOUT why not")
        self.assertEqual(sorted(known - set(routes(()))), [], "these are no routes")

    def test_words(self):
        """the words that call routes by hand are there"""
        for words in sorted(set(BY_HAND.values())):
            done = subprocess.run([PROGRAM, *words.split(), "--help"], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout.startswith(f"Usage: pane {words}")), (0, True), (words, done.stdout[:200], done.stderr))


if __name__ == "__main__":
    unittest.main()
