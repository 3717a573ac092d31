#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/lib/tap.py FILE: runs one story file and speaks TAP, a line the moment a test ends.

A file that imports unittest is run test by test in the order they are written. Any other file is
run as a program (exit status 0 passed, 77 skipped with the last line it printed as the reason)."""
import importlib.util
import inspect
import os
import runpy
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    count = 0

    def line(self, verdict, test, note=""):
        TapResult.count += 1
        print(f"{verdict} {self.count} - {title(test)}{note}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addSkip(self, test, reason):
        self.line("ok", test, f" # SKIP {reason}")

    def addError(self, test, err):
        super().addError(test, err)
        traceback.print_exception(*err)
        self.line("not ok", test)

    addFailure = addError

    def addExpectedFailure(self, test, err):
        self.line("not ok", test, " (expected failures are not used here)")

    def addSubTest(self, test, subtest, err):
        if err:
            self.addError(subtest, err)


def title(test):
    """The docstring's first line says which behaviour; without one, the method's name."""
    if not isinstance(test, unittest.TestCase) or not hasattr(test, "_testMethodName"):
        return str(test)
    return test.shortDescription() or test._testMethodName.removeprefix("test_").replace("_", " ")


def by_line(case):
    def line_of(name):
        return inspect.unwrap(getattr(case, name)).__code__.co_firstlineno
    return sorted(unittest.TestLoader().getTestCaseNames(case), key=line_of)


def main(path):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    with open(path, encoding="utf-8") as file:
        if "import unittest" not in file.read():
            sys.argv = [path]
            runpy.run_path(path, run_name="__main__")
            return 0
    spec = importlib.util.spec_from_file_location("story", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["story"] = module
    spec.loader.exec_module(module)
    cases = [c for c in vars(module).values()
             if inspect.isclass(c) and issubclass(c, unittest.TestCase) and c.__module__ == "story"]
    result = TapResult()
    unittest.TestSuite(case(name) for case in cases for name in by_line(case)).run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
