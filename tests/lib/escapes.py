# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tests/vmm/cell/escape.c inside a container desktop."""
import os
import socket
import subprocess
import tempfile

import cell
import vm


def attempts(test, machine, display, *more):
    """Every attempt must fail; what the program printed. more: further NAME=VALUE words for it."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    secret, program = folder.name + "/secret", folder.name + "/escape"
    with open(secret, "w", encoding="ascii") as file:
        file.write("host")
    os.chmod(folder.name, 0o755)
    subprocess.run(["cc", "-D_GNU_SOURCE", "-static", "-O1", "-o", program,
                    *(os.path.join(vm.SOURCE, "tests/vmm/cell", name) for name in ("escape.c", "escape_more.c", "escape_deep.c"))], check=True)
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0pane-escape-" + machine.name)
    abstract.listen()
    port = socket.create_server(("127.0.0.1", 0))
    test.addCleanup(abstract.close)
    test.addCleanup(port.close)
    with open(program, "rb") as file:
        cell.put(machine, "escape", file.read())
    text = machine.run(display, " ".join([f"./escape {machine.process.pid} {secret} pane-escape-{machine.name} "
                                          f"{port.getsockname()[1]}", *more]), 60)
    test.assertRegex(text, r"attempts \d+ escaped 0\n$")
    test.assertNotIn("BROKEN", text)
    return text
