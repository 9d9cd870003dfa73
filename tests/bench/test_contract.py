"""The table of the contract suite is read from what pytest leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import contract

RESULTS = """<?xml version="1.0"?>
<testsuites><testsuite>
<testcase name="test_keys_tell_what_they_are_good_for[one]"/>
<testcase name="test_keys_tell_what_they_are_good_for[one-coin]"/>
<testcase name="test_a_stop_sleeps[one-coin]"><failure message="no"/></testcase>
<testcase name="test_a_stop_sleeps[one]"/>
<testcase name="test_each_time[one-coin-day]"><skipped/></testcase>
<testcase name="test_each_time[one-day]"/>
<testcase name="test_something_else"/>
<testcase name="test_something_else[403]"/>
</testsuite></testsuites>"""


def test_cases_by_brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.xml"
    file.write_text(RESULTS)
    brokers, table = contract.read([file], contract.SUITES["brokers"][1])
    assert brokers == ["one", "one-coin"]
    assert table == {
        "keys tell what they are good for": {"one": "ok", "one-coin": "ok"},
        "a stop sleeps": {"one": "ok", "one-coin": "FAILED"},
        "each time [day]": {"one": "ok", "one-coin": "skipped"},
    }
    monkeypatch.setattr("sys.argv", ["contract", "--results", str(file)])
    assert contract.main() == 1
    assert capsys.readouterr().out.endswith("3 cases × 2 brokers, 2 not ok\n")
