"""The guide's notebook example runs as it stands there."""

import re
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide.md"


def test_the_notebook_example_of_the_guide_prints_its_fills(capsys):
    example = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    assert example
    exec(compile(example[1], str(GUIDE), "exec"), {})  # noqa: S102  (our own page)
    printed = capsys.readouterr().out
    # Bought at the open of the second bar (11), sold at the open of the fourth (11): only commission is lost.
    assert printed.count("11.0") >= 2
    assert float(printed.splitlines()[-1]) < 0
