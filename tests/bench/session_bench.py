# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user feels, through the gateway with everything real: login to first full frame, key to pixel. On a
machine without hardware virtualization these are shapes, not absolute claims; the last line says which kind it was."""
import statistics
import time

import rfb
import whole

RUNS = 10


def session_lines():
    site = whole.card_site()
    try:
        site.up()
        site.pool()
        password = site.user("alice")
        site.wait_ready()
        first, click = [], []
        for _ in range(RUNS):
            begin = time.monotonic()
            viewer = rfb.Rfb(site.ports["rfb"], f"{site.pki}/ca.crt", "alice", password)
            viewer.ask(False)
            while viewer.update() < viewer.width * viewer.height:
                viewer.ask(False)
            first.append(1000 * (time.monotonic() - begin))
            for _ in range(5):
                viewer.ask(True)
                time.sleep(0.2)
                begin = time.monotonic()
                viewer.key(ord("a"))
                while viewer.update() == 0:
                    viewer.ask(True)
                click.append(1000 * (time.monotonic() - begin))
            viewer.close()
        for name, values in (("login to first full frame", first), ("key to pixel", click)):
            values.sort()
            print(f"{name:26} (RFB, TLS, warm desktop) p50 {statistics.median(values):6.1f} ms, "
                  f"max {values[-1]:6.1f} ms, n={len(values)}")
    finally:
        site.down()


if __name__ == "__main__":
    session_lines()
    found = whole.probe(whole.BUILD)
    print(f"KVM here: {found['kvm']} ({found['why']})")
