# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of pane-thin and the lobby against the sources: each is a message, and what servers say is still said."""
import glob
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STRING = r'"(?:[^"\\]|\\.)*"'
# What puts a text before a person's eyes, and the argument that is it.
SHOWN = {r"thin_look_label": 0, r"thin_look_button": 0, r"gtk_button_new_with_label": 0, r"gtk_button_set_label": 1,
         r"gtk_label_set_text": 1, r"gtk_label_new": 0, r"gtk_entry_set_placeholder_text": 1, r"err_setw": 3,
         r"err_set": 2, r"err_prefix": 1, r"thin_page_session_dim": 1, r"thin_page_admin_say": 1, r"untrusted": 2,
         r"field": 2, r"button": 2, r"buttons": 1, r"paragraph": 4}
# Told on standard error or in a log, in English: the command line, files of a configuration, --screenshot.
ENGLISH = {"options.c", "conf.c", "shot.c"}


def sources(*folders):
    for folder in folders:
        for path in sorted(glob.glob(f"{TOP}/{folder}/*.c")):
            with open(path, encoding="utf-8") as f:
                yield path, f.read()


def joined(text):
    """Adjacent string literals as one."""
    return re.sub(r'"\s*\n?\s*"', "", text)


def arguments(text, at):
    """The arguments of the call whose parenthesis opens at `at`."""
    depth, begin, out, i = 0, at + 1, [], at
    while i < len(text):
        m = re.match(STRING, text[i:])
        if m:
            i += m.end()
            continue
        c = text[i]
        depth += c in "([{"
        depth -= c in ")]}"
        if (c == "," and depth == 1) or depth == 0:
            out.append(text[begin:i].strip())
            begin = i + 1
            if depth == 0:
                return out
        i += 1
    return out


def naked(arg):
    """Literals with a word in them that are not within _() or ngettext()."""
    bare, at = "", 0
    for m in re.finditer(r"\b(_|N_|ngettext)\(", arg):
        if m.start() >= at:
            inner = arguments(arg, m.end() - 1)
            bare += arg[at:m.start()]
            at = arg.index(inner[-1], m.end()) + len(inner[-1])
    bare += arg[at:]
    return [s for s in re.findall(STRING, bare) if re.search("[A-Za-z]{2}", re.sub(r"%[a-z.*0-9]+|\\.", "", s))]


class Said(unittest.TestCase):
    def test_texts_are_messages(self):
        """languages: no text is shown by pane-thin or the lobby, or is an error a person reads, that is not a message"""
        seen, found = 0, []
        for path, text in sources("clients/thin", "display/lobby"):
            if os.path.basename(path) in ENGLISH or ("lobby" in path and not path.endswith("paint.c")):
                continue
            text = joined(text)
            for call, n in SHOWN.items():
                for m in re.finditer(r"\b%s\(" % call, text):
                    args = arguments(text, m.end() - 1)
                    if len(args) <= n:
                        continue
                    seen += 1
                    found += [f"{os.path.relpath(path, TOP)}: {call}(… {s})" for s in naked(args[n])
                              if s not in KNOWN]
        self.assertGreater(seen, 100)
        self.assertEqual(found, [])

    def test_servers_still_say_so(self):
        """languages: each sentence of a server's that has a translation is one a server says"""
        said = "".join(joined(t) for _, t in sources("broker", "gateway", "vmm/host"))
        with open(TOP + "/common/http.c", encoding="utf-8") as f:
            said += joined(f.read())
        with open(TOP + "/common/said.c", encoding="utf-8") as f:
            ours = re.findall(r'N_\(("(?:[^"\\]|\\.)*")\)', joined(f.read()))
        self.assertGreater(len(ours), 25)
        said = re.sub(r"%(\.\d+)?l?[a-z]", "%s", said)
        self.assertEqual([s for s in ours if s[1:-1] not in said], [])

    def test_catalogues(self):
        """languages: catalogues are whole; a missing text, a lost %s, a stale file and a wrong accelerator are found"""
        check = lambda top: subprocess.run([top + "/deploy/messages", "--check"], capture_output=True, text=True,
                                           check=False)
        if subprocess.run(["which", "msgmerge"], capture_output=True, check=False).returncode:
            self.skipTest("gettext is not installed")
        r = check(TOP)
        self.assertEqual(r.returncode, 0, r.stderr)
        with tempfile.TemporaryDirectory() as top:
            for folder in ("clients/thin", "display/lobby", "common", "deploy"):
                os.makedirs(f"{top}/{folder}")
            subprocess.run(f"cp {TOP}/clients/thin/*.c {top}/clients/thin; cp {TOP}/display/lobby/*.c {top}/display/lobby;"
                           f"cp -r {TOP}/common/*.c {TOP}/common/messages {top}/common; cp {TOP}/deploy/messages {top}/deploy",
                           shell=True, check=True)
            po = top + "/common/messages/de.po"
            with open(po, encoding="utf-8") as f:
                whole = f.read()
            for wrong, becomes, says in (
                    ('msgstr "Angemeldet als %s"', 'msgstr ""', "not translated: \"Signed in as %s\""),
                    ('msgstr "Angemeldet als %s"', 'msgstr "Angemeldet"', "number of format specifications"),
                    ('msgstr "_Kennwort"', 'msgstr "Kennwort"', "accelerator"),
                    ('msgid "Connect"', 'msgid "Connct"', "run make messages"),
                    ("nplurals=2", "nplurals=3", "plural")):
                self.assertIn(wrong, whole)
                with open(po, "w", encoding="utf-8") as f:
                    f.write(whole.replace(wrong, becomes, 1))
                r = check(top)
                self.assertEqual(r.returncode, 1, says)
                self.assertIn(says, r.stderr)
            with open(po, "w", encoding="utf-8") as f:
                f.write(whole)
            with open(f"{top}/common/messages/languages", encoding="utf-8") as f:
                others = [line.split("\t")[0] for line in f if "\topen\t" in line]
            self.assertGreaterEqual(len(others), 8)
            # An empty catalogue is a good one, in each language there is a place for.
            subprocess.run([top + "/deploy/messages", *others], check=True, capture_output=True)
            r = check(top)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn("not translated", r.stdout)
            r = subprocess.run([top + "/deploy/messages", "tlh"], check=False, capture_output=True, text=True)
            self.assertIn("add it there", r.stderr)


KNOWN = {'"cancelled"', '"gateway.example"', '"Pane"', '"%s"'}

if __name__ == "__main__":
    unittest.main()
