# SPDX-License-Identifier: GPL-3.0-or-later
"""The screens of some rows as QEMU shows them, made before the lab starts: emulation in an emulator takes too long.
reference.py FOLDER NAME... writes NAME.ppm for each; a row whose picture is not there is not compared."""
import glob
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import media
import screen

PATIENCE = 600
MENU = 22 * screen.ROWS  # lines of GRUB's menu that do not count seconds


def says(text):
    return lambda picture: any(text in line for line in picture.text())


def disk(path):
    return "-drive", f"file={path},format=raw,if=virtio,readonly=on"


class Steady:
    """Holds once a picture of what is looked for stays as it is, but for a cursor, down to a line."""

    def __init__(self, what, height=None, shots=6):
        self.what, self.height, self.shots, self.same, self.last = what, height, shots, 0, None

    def __call__(self, picture):
        same = self.last is not None and picture.unlike(self.last, height=self.height) < 0.0005
        self.same, self.last = self.same + 1 if same else 0, picture
        return self.same >= self.shots and self.what(picture)


def take(folder, name, what, *args, memory=512):
    with tempfile.TemporaryDirectory(prefix="pane-reference-") as work:
        qemu = screen.Qemu(work, *args, memory=memory)
        try:
            screen.settle(qemu.take, what, PATIENCE)
            os.rename(qemu.shot, f"{folder}/{name}.ppm")
        except TimeoutError as problem:
            print(f"# QEMU's screen of {name}: {problem}")
        finally:
            qemu.close()


def installer(folder, name, what, **kwargs):
    with tempfile.TemporaryDirectory(prefix="pane-reference-") as work:
        media.installer(f"{work}/disk", **kwargs)
        take(folder, name, what, *disk(f"{work}/disk"), memory=1024)


def main(folder, *names):
    question, menu, tree = Steady(says("Select a language")), Steady(says("GNU/Hurd"), MENU), f"{os.environ.get('PANE_KERNELS')}/i386{media.INSTALLER[:-5]}i386"
    if "installer" in names:
        installer(folder, "installer", question)
    if "installer32" in names and glob.glob(f"{tree}/*"):
        installer(folder, "installer32", question, tree=tree)
    if "gtk" in names:
        installer(folder, "gtk", Steady(media.asks), kind="gtk", words=media.GRAPHICAL)
    if "rescue" in names:
        take(folder, "rescue", menu, "-cdrom", media.RESCUE.format("cdrom.iso"))
    if "floppy" in names:
        take(folder, "floppy", menu, *disk(media.RESCUE.format("floppy.img")))
    if "cloud_bios" in names and os.path.exists(os.environ.get("PANE_CLOUD_DISK", "")):
        with tempfile.TemporaryDirectory(prefix="pane-reference-") as work:
            media.cloud(f"{work}/disk", os.environ["PANE_CLOUD_DISK"])
            take(folder, "cloud_bios", Steady(says("*Debian GNU/Linux")), *disk(f"{work}/disk"))


if __name__ == "__main__":
    main(*sys.argv[1:])
