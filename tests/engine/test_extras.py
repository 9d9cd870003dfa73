"""Series beside the prices: strategies read them, slices cut them, the engine never looks."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Bars, Rules, simulate
from engine.errors import InputError
from engine.resample import resample
from engine.types import NANOS_PER_DAY


def bars(n: int = 6) -> Bars:
    close = 10.0 + np.arange(n)
    return Bars.from_arrays("T", "1d", np.arange(n) * NANOS_PER_DAY, close, close, close, close, calendar="24/7")


@pytest.mark.row("D13")
def test_a_slice_cuts_them_and_the_bars_they_came_from_have_none() -> None:
    plain = bars()
    more = plain.with_extras({"bid": [1, 2, 3, 4, np.nan, 6]})
    assert plain.extras == {}
    assert more[1:4].extras["bid"].tolist() == [2, 3, 4]
    assert more[1:4].with_extras({"ask": [5, 6, 7]}).extras.keys() == {"bid", "ask"}
    assert more.extras["bid"].dtype == np.float64
    assert not more.extras["bid"].flags.writeable
    assert np.shares_memory(more.close, plain.close)


def test_a_coarser_bar_knows_what_its_last_one_knew() -> None:
    close = np.full(4, 10.0)
    hour = NANOS_PER_DAY // 24
    fine = Bars.from_arrays("T", "1h", np.array([0, 1, 3, 4]) * hour, close, close, close, close, calendar="24/7")
    coarse = resample(fine.with_extras({"bid": [1, np.nan, 3, 4]}), "4h")
    assert coarse.extras["bid"].tolist() == [3, 4]
    assert resample(fine, "4h").extras == {}


@pytest.mark.row("A8")
@pytest.mark.parametrize(("values", "code"), [([1.0], "wrong_length"), (["a"] * 6, "not_a_number")])
def test_they_have_one_number_a_bar(values: list[object], code: str) -> None:
    with pytest.raises(InputError) as caught:
        bars().with_extras({"bid": values})
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == ("bid", code)


def test_they_change_nothing_of_a_run() -> None:
    signals = np.array([1, 0, 0, -1, 0, 0], np.int8)
    plain, more = bars(), bars().with_extras({"bid": np.full(6, np.nan)})
    runs = [simulate({"T": one}, {"T": signals}, rules=Rules(), starting_cash=1_000.0) for one in (plain, more)]
    assert runs[0].fills.tobytes() == runs[1].fills.tobytes()
    assert len(runs[0].fills) == 2
