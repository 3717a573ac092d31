# SPDX-License-Identifier: GPL-3.0-or-later
"""The console with 10,000 desktops and as many users: from a key in the search field to the frame with its rows, and
what the page takes of a processor for it. Prints figures, fails nothing."""
import os
import statistics
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", part) for part in ("lib", "")]

import whole  # noqa: E402
from browser import Browser, missing  # noqa: E402

TIMEOUT = 900
SEARCHED = ("big-777", "lost", "big-1234", "nothing")


def fill(site):
    site.pool("big", size_max=10000, spare=0)
    site.postgres.psql("INSERT INTO pane.desktop (pool_id, name, state, since, reason) SELECT p.id, 'big-' || n, 'failed', now(), '' "
                       "FROM pane.pool p, generate_series(1, 10000) n WHERE p.name = 'big'; UPDATE pane.desktop SET state = 'lost' WHERE name LIKE 'big-99_'; ANALYZE")
    site.postgres.psql("INSERT INTO pane.users (name, full_name, password) SELECT 'user-' || n, 'Given' || n % 97 || ' Family' || n, (SELECT password FROM pane.users WHERE name = 'root') "
                       "FROM generate_series(1, 10000) n")


def tell(what, keys):
    load = os.getloadavg()[0]
    for name, text in (("ms", "key to painted rows"), ("server", "of it the server"), ("cpu", "the page's processor time")):
        values = sorted(k[name] for k in keys)
        print(f"{what:22} {text:28} median {statistics.median(values):7.0f} ms   9 of 10 within {values[len(values) * 9 // 10]:7.0f} ms   ({len(values)} keys, load {load:.1f})", flush=True)


def tell_scroll(step, found):
    print(f"scrolling 500 rows by {step} px a frame: {found['frames']} frames, median {found['median']:.0f} ms, longest {found['longest']:.0f} ms; {found['dropped']} of a 60 Hz "
          f"screen's frames left out, {found['long']} tasks beyond 50 ms; {found['cpu']:.1f} ms of the page's processor time a frame (load {os.getloadavg()[0]:.1f})")


def main():
    why = missing()
    if why:
        print(f"1..0 # SKIP {why}")
        return
    site = whole.card_site(runs=False) # rows are enough, no desktop runs
    site.up()
    web = None
    try:
        password = site.admin.post("/users", {"name": "root", "role": "admin"})["password"]
        fill(site)
        web = Browser(f"https://127.0.0.1:{site.ports['https']}")
        web.login(user="root", password=password)
        web.open(at="/desktops")
        site.wait(lambda: len(web.rows(table="Desktops")) == 50, 60, "the desktops")
        tell("10,000 desktops", web.typing(label="Search Desktops", texts=SEARCHED, table="Desktops", list="/desktops?"))
        took = web.turn(at="/desktops?per=500", selector='table[aria-rowcount="501"]', count=1)
        print(f"500 rows on one page: {took:.0f} ms of the page's processor time")
        for step in (100, 400): # px a frame: as fast as a hand turns a wheel, and as one drags the bar
            tell_scroll(step, web.scroll(selector="#main, .pf-v6-c-page__main-container .pf-v6-c-page__main", step=step))
        web.open(at="/users")
        site.wait(lambda: len(web.rows(table="Users")) == 50, 60, "the users")
        tell("10,000 users", web.typing(label="Search Users", texts=("user-777", "family9", "user-1234", "nothing"), table="Users", list="/users?"))
    finally:
        if web:
            web.close()
        site.down()


if __name__ == "__main__":
    main()
