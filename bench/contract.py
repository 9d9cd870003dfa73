"""`python -m bench.contract`: the contract of brokers, as a table of cases × brokers; with `--of prices` that of the
sources of prices. Ends with 1 if a cell is not ok.

Runs the suite (`SUITES`), or reads what runs of pytest have left: `python -m bench.contract --results one.xml two.xml`.
Other arguments are pytest's: `python -m bench.contract -k binance -n 2`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is run, and a case whose only parameter is the broker (or source), so that it names them all.
SUITES = {
    "brokers": (["tests/brokers"], "test_keys_tell_what_they_are_good_for"),
    "prices": (["tests/marketdata/test_contract.py"], "test_it_says_what_it_is"),
}
WIDTH = 76

Table = dict[str, dict[str, str]]  # case → broker → ok, FAILED or skipped


def run(suite: list[str], results: Path, arguments: list[str]) -> None:
    """Run a suite; whether it failed is read from its results."""
    command = [sys.executable, "-m", "pytest", "-q", *suite, f"--junitxml={results}", *arguments]
    subprocess.run(command, cwd=ROOT, check=False)


def read(files: Iterable[Path], sign: str) -> tuple[list[str], Table]:
    """(brokers, table) of files of JUnit's kind; sign: the case that names the brokers."""
    found: dict[tuple[str, str], str] = {}
    every = (case for file in files for case in ElementTree.parse(file).getroot().iter("testcase"))  # noqa: S314
    for case in every:
        named = re.fullmatch(r"(\w+)\[(.*)\]", case.get("name", ""), re.DOTALL)
        if named is not None:
            found[named[1], named[2]] = _outcome(case)
    brokers = [of for name, of in found if name == sign]
    table: Table = defaultdict(dict)
    for (name, parameters), outcome in found.items():
        broker = max((b for b in brokers if f"{parameters}-".startswith(f"{b}-")), key=len, default=None)
        if broker is not None:
            rest = parameters[len(broker) :].strip("-")
            words = name.removeprefix("test_").replace("_", " ")
            table[f"{words} [{rest}]" if rest else words][broker] = outcome
    return brokers, dict(table)


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "FAILED"
    return "skipped" if case.find("skipped") is not None else "ok"


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.contract", description=__doc__)
    options.add_argument("--of", choices=sorted(SUITES), default="brokers", help="whose contract; default brokers")
    options.add_argument("--results", type=Path, nargs="+", help="JUnit files of runs that are over: no run")
    chosen, arguments = options.parse_known_args()
    suite, sign = SUITES[chosen.of]
    with tempfile.TemporaryDirectory() as folder:
        results = chosen.results or [Path(folder) / "results.xml"]
        if not chosen.results:
            run(suite, results[0], arguments)
        brokers, table = read(results, sign)
    print(f"\n{'case':{WIDTH}}  " + "  ".join(f"{broker:>11}" for broker in brokers))
    for case in sorted(table):
        cells = (table[case].get(broker, "-") for broker in brokers)
        print(f"{case[:WIDTH]:{WIDTH}}  " + "  ".join(f"{cell:>11}" for cell in cells))
    missing = sum(row.get(broker) != "ok" for row in table.values() for broker in brokers)
    what = "brokers" if chosen.of == "brokers" else "sources"
    print(f"\n{len(table)} cases × {len(brokers)} {what}, {missing} not ok")
    return 1 if missing or not table else 0


if __name__ == "__main__":
    raise SystemExit(main())
