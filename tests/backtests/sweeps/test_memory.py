"""What a worker and a page hold does not grow with the combinations: shown by the sizes of rows and arrays."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from accounts.models import Tier, User
from backtests.sweeps import cells, columns, drawing, selectors, services
from tests.backtests.sweeps.rig import BODY, made, read, run_all

pytestmark = pytest.mark.row("H16")


def axes(fast: int, slow: int, *stops: int) -> list[dict[str, Any]]:
    """fast × slow combinations of parameters, times those of two settings."""
    found: list[dict[str, Any]] = [
        {"name": "fast_window", "from": 2, "to": 1 + fast, "step": 1},
        {"name": "slow_window", "from": 100, "to": 99 + slow, "step": 1},
    ]
    for name, count in zip(("stop_loss_pct", "take_profit_pct"), stops, strict=False):
        found.append({"name": name, "of": "setting", "from": 1, "to": count, "step": 1})
    return found


@pytest.mark.django_db(transaction=True)
def test_chunks_stay_small_however_many_combinations_there_are(alice: User, sample_data: None) -> None:
    Tier.objects.update(max_sweep_cells=None, max_concurrent_sweeps=None)
    most = []
    for changes in ({"axes": axes(10, 10)}, {"axes": axes(50, 50, 4)}, {"axes": axes(50, 100, 10, 20)}):
        sweep = services.submit(alice, {**BODY, **changes})
        sizes = list(sweep.chunks.values_list("cells", flat=True))
        assert sum(sizes) == sweep.cells_total
        most.append(max(sizes))
    assert sweep.cells_total == 1_000_000
    assert max(most) <= services._MOST_IN_CHUNK


def test_a_chunk_of_a_large_sweep_needs_what_one_of_a_small_sweep_needs() -> None:
    """Every allocation is traced, also NumPy's: the peak of a chunk is the same at its beginning and at its end, in a
    sweep of 10,000 combinations and in one of 1,000,000."""
    bars, size = made(n=400), 200
    many, more = read(axes=axes(50, 20, 10)), read(axes=axes(50, 100, 10, 20))
    assert (many.cells, more.cells) == (10_000, 1_000_000)
    cells.run(many, range(20), bars)  # what is made once for ever

    def peak(config: Any, chunk: int) -> int:
        chosen = drawing.chunk_cells(config, chunk, size)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        outcome = cells.run(config, chosen, bars)
        assert outcome.rows["cell"].tolist() == chosen
        assert len(columns.pack(outcome.rows)) < size * 150
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peaks = [peak(many, 0), peak(many, 25), peak(many, 49), peak(more, 0), peak(more, 4_999)]
    finally:
        tracemalloc.stop()
    assert max(peaks) < 1.5 * min(peaks), peaks


@pytest.mark.django_db(transaction=True)
def test_a_page_reads_a_few_chunks_at_a_time(alice: User, sample_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 1)
    sweep = services.submit(alice, BODY)
    run_all()
    first = selectors.cells(sweep)
    assert (len(first["cell"]), first["more"]) == (selectors.MOST_CHUNKS, True)
    assert selectors.MOST_CHUNKS * services._MOST_IN_CHUNK <= 5_000
    rows = selectors.rows(sweep)
    ranked = rows[columns.order(rows, sweep.config)]
    expected = ranked["cell"][~ranked["refused"]].tolist()
    assert [row["cell"] for row in selectors.best(sweep, 5)] == expected[:5]
    assert [row["cell"] for row in selectors.best(sweep, 100)] == expected
