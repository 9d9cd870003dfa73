"""The table of faults is read from what pytest leaves; runs that are over add up."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pytest

from bench import chaos
from bench.faults import FAULTS

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite>
<testcase name="test_dies[round0-after]" time="2"><properties><property name="faults" value="1 2"/></properties>
</testcase>
<testcase name="test_dies[round1-after]" time="4"><properties><property name="faults" value="1 2"/></properties>
<failure message="no"/></testcase>
<testcase name="test_cut[round0]" time="1"><properties><property name="faults" value="2"/></properties></testcase>
<testcase name="test_reading" time="0"><properties><property name="faults" value="3"/></properties></testcase>
<testcase name="test_left_out[round0]"><properties><property name="faults" value="4"/></properties><skipped/></testcase>
<testcase name="test_something_else"/>
</testsuite></testsuites>"""


def cases(
    tmp_path: Path, database: str, seed: int, report: str = REPORT, wanted: Collection[int] = FAULTS
) -> list[dict]:
    file = tmp_path / "report.xml"
    file.write_text(report)
    return chaos.cases_of(database, file, seed, wanted)


def lines(text: str) -> dict[int, list[str]]:
    """Fault → what its line says after its name."""
    found = {}
    for line in text.splitlines():
        number = line.split()[0]
        if number.isdecimal() and FAULTS[int(number)] in line:
            found[int(number)] = line.partition(FAULTS[int(number)])[2].split(maxsplit=4)
    return found


def test_a_round_holds_if_all_its_cases_do(tmp_path: Path) -> None:
    first, second = cases(tmp_path, "sqlite", 7), cases(tmp_path, "postgres", 8)
    text = chaos.table(first + second[:1], chaos.DATABASES, [1, 2, 3, 4])
    assert lines(text) == {
        1: ["1/2", "1/1", "3", "2.7", "BROKEN"],
        2: ["1/2", "1/1", "4", "2.2", "BROKEN"],
        3: ["1/1", "-", "1", "0.0", "not shown on postgres"],
        4: ["-", "-", "0", "not", "shown on sqlite, postgres"],
    }
    assert "broken on sqlite: test_dies[round1-after], seed 7" in text
    # A run of the second alone shows a part of the first, which is no round of it.
    assert lines(chaos.table(cases(tmp_path, "sqlite", 7, wanted=[2]), ["sqlite"], [1, 2]))[1][0] == "-"
    # One that has no round of its own is part of each, and one that breaks breaks each.
    broken = REPORT.replace('value="3"/></properties>', 'value="1"/></properties><failure/>')
    assert lines(chaos.table(cases(tmp_path, "sqlite", 7, broken), ["sqlite"], [1]))[1][0] == "0/2"


def test_runs_that_are_over_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for seed, database in enumerate(("sqlite", "sqlite", "postgres")):
        held = [case for case in cases(tmp_path, database, seed) if case["held"]]
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps({"cases": held}))
    monkeypatch.setattr("sys.argv", ["chaos", "--faults", "1-2", "3", "--databases", "sqlite", "--", *map(str, files)])
    assert chaos.main() == 0
    assert lines(capsys.readouterr().out) == {
        1: ["2/2", "2", "2.0", "held"],
        2: ["2/2", "4", "1.5", "held"],
        3: ["2/2", "2", "0.0", "held"],
    }
    monkeypatch.setattr("sys.argv", ["chaos", "--faults", "1-4", "--", *map(str, files)])
    assert chaos.main() == 1, "the fourth is not shown"


@pytest.mark.parametrize("asked", ["0", "43", "40-43", "6-1", "x", "1-x", "-3", ""])
def test_a_fault_that_there_is_not_is_refused(
    asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["chaos", f"--faults={asked}"])
    with pytest.raises(SystemExit):
        chaos.main()
    assert "faults" in capsys.readouterr().err
