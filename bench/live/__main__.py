"""`python -m bench.live <bars | clients | recovery | soak | live | api>`. Ends with 1 if a target is missed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.live.rig import Rig


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    what = options.add_subparsers(dest="what", required=True)
    for name, told, count, minutes in (
        ("bars", "bars lost or doubled, bar close to intent, fill to browser, memory", 50, 10.0),
        ("clients", "websocket clients x 5 messages a second; one that reads nothing", 200, 1.0),
        ("recovery", "kill -9 of all hosts: how long until every session runs again", 50, 0.5),
        ("live", "sessions at the practice venue: from a tick to the order's arrival, from its row to it", 50, 2.0),
        ("soak", "five market days, compressed: memory, open files, Redis keys", 3, 10.0),
    ):
        one = what.add_parser(name, help=told)
        one.add_argument("--database", choices=("postgres", "embedded"), default="postgres")
        one.add_argument("--clients" if name == "clients" else "--sessions", type=int, default=count)
        one.add_argument("--minutes", type=float, default=minutes, help="how long, once everything is up")
        one.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON file")
    plain = what.add_parser("api", help="the list of sessions against the plainest list of the same rows")
    plain.add_argument("--database", choices=("postgres", "embedded"), default="postgres")
    plain.add_argument("--sessions", type=int, default=100)
    plain.add_argument("--repeats", type=int, default=200)
    plain.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON file")
    chosen = options.parse_args()
    rig = Rig(chosen.database)
    from bench.live import lists, measure, orders

    own = {"api": lists.api, "live": orders.live}
    return (own.get(chosen.what) or getattr(measure, chosen.what))(rig, chosen)


if __name__ == "__main__":
    sys.exit(main())
