# SPDX-License-Identifier: GPL-3.0-or-later
"""make sbom: every package that is needed and every locked JavaScript package is in it, once, with its version, and no address of a registry."""
import json
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Sbom(unittest.TestCase):
    def test_sbom(self):
        """it has what runs, what is linked and what is locked, each once, with versions and hashes, and names no registry"""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([f"{TOP}/deploy/sbom", f"{folder}/sbom.json"], check=True, stdout=subprocess.DEVNULL)
            with open(f"{folder}/sbom.json", encoding="utf-8") as file:
                text = file.read()
        bom = json.loads(text)
        self.assertEqual((bom["bomFormat"], bom["specVersion"]), ("CycloneDX", "1.5"))
        parts = {p["bom-ref"]: p for p in bom["components"]}
        self.assertEqual(len(parts), len(bom["components"]))
        names = {p["name"] for p in parts.values() if p["purl"].startswith("pkg:deb/")}
        with open(f"{TOP}/deploy/packages", encoding="utf-8") as file:
            needed = {line.split()[1] for line in file if line.startswith(("build ", "run ")) and line.split()[2:] != ["command"]}
        self.assertEqual(needed - names, set())
        self.assertIn("libc6", names) # nobody asks for it, everything is linked with it
        with open(f"{TOP}/broker/console/package-lock.json", encoding="utf-8") as file:
            locked = {(path.rpartition("node_modules/")[2], entry["version"]) for path, entry in json.load(file)["packages"].items() if path}
        npm = {(p["name"], p["version"]) for p in parts.values() if p["purl"].startswith("pkg:npm/")}
        self.assertEqual(npm, locked)
        self.assertTrue(all(p["version"] for p in parts.values()))
        self.assertTrue(all(len(h["content"]) == 128 for p in parts.values() for h in p.get("hashes", [])))
        self.assertLessEqual(set(bom["dependencies"][0]["dependsOn"]), set(parts))
        self.assertIsNone(re.search(r"https?://|\bregistry\b", text))


if __name__ == "__main__":
    unittest.main()
