"""Honest figures: computed by the platform, told by parts in time, stale as soon as the strategy changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from accounts.models import Tier, User
from backtests import job, published
from backtests import services as backtests
from engine.errors import InputError
from marketdata.models import Coverage, Instrument
from strategies import services
from strategies.gallery import figures, publishing
from strategies.gallery.models import Publication
from strategies.models import CustomStrategy, UserStrategy
from strategies.services import checking, custom
from tests.strategies.gallery.conftest import WORDS, saved_of

DAY = 86_400_000_000_000
AVERAGE = {"indicator": "SMA", "period": 50}
TREE = {"type": "compare", "left": {"price": "close"}, "condition": "above", "right": AVERAGE}


@pytest.mark.row("D21", "B16")
def test_the_figures_are_those_of_backtests_that_anybody_can_run(alice: User, measured) -> None:
    row = measured(alice, parameters={"fast_window": 20, "slow_window": 60}, settings={"stop_loss_pct": 8.0})
    assert (row.state, row.problem) == ("DONE", "")
    told = row.figures["parts"]
    assert [part["part"] for part in told] == ["in_sample", "held_out"], "nothing has come since it was published"
    assert told[0]["bars"] / (told[0]["bars"] + told[1]["bars"]) == pytest.approx(0.7, abs=0.001)
    assert told[0]["last_bar"] < told[1]["first_bar"]
    for part in told:
        days = {"start_date": part["first_bar"][:10], "end_date": part["last_bar"][:10]}
        body = {
            "strategy": "ma_crossover",
            "strategy_parameters": row.strategy.parameters,
            "symbols": ["AAPL", "IBM", "MSFT", "GOOG"],
            "settings": {
                "stop_loss_pct": 8.0, "commission_rate": 0.0005, "slippage_model": "proportional",
                "slippage_value": 0.0005,
            },
            **days,
        }  # fmt: skip
        again = backtests.submit(alice, body)
        job.run(again.pk)
        again.refresh_from_db()
        if part["part"] == "in_sample":
            # Prices are adjusted to the end of what is loaded, so whole shares round elsewhere; nothing else differs.
            assert again.trade_count == part["trade_count"]
            assert again.total_return_pct == pytest.approx(part["total_return_pct"], rel=2e-3)
            assert again.max_drawdown_pct == pytest.approx(part["max_drawdown_pct"], rel=2e-2)
        else:  # a run by itself has no history to warm up on, so its first weeks are idle
            assert again.trade_count <= part["trade_count"]
        assert part["total_costs"] > 0
    assert (row.judged_return_pct, row.judged_trades) == (told[1]["total_return_pct"], told[1]["trade_count"])
    assert len(row.data_hash) == 64


@pytest.mark.row("D21")
def test_only_bars_after_the_last_change_are_out_of_sample(alice: User, measured) -> None:
    row = measured(alice)
    changed = datetime(2010, 1, 4, tzinfo=UTC)
    Publication.objects.filter(pk=row.pk).update(choice_since=changed, state="QUEUED")
    published.measure(row.pk)
    row.refresh_from_db()
    told = {part["part"]: part for part in row.figures["parts"]}
    assert list(told) == ["in_sample", "held_out", "out_of_sample"]
    assert told["held_out"]["last_bar"] < changed.isoformat() <= told["out_of_sample"]["first_bar"]
    # So few trades tell nothing: it is judged by the part that has more, until there are 30.
    assert told["out_of_sample"]["trade_count"] >= figures.MIN_TRADES
    assert figures.judged_part(row.figures) == told["out_of_sample"]
    few = {"parts": [told["held_out"], {**told["out_of_sample"], "trade_count": 29}]}
    assert figures.judged_part(few) == told["held_out"]
    chart = row.chart
    assert len(chart["time"]) == len(chart["strategy"]) == len(chart["benchmark"])
    assert len(chart["starts"]) == 3
    assert (chart["strategy"][0], chart["benchmark"][0]) == (pytest.approx(100, rel=0.01), 100)
    ends = np.prod([1 + part["total_return_pct"] / 100 for part in row.figures["parts"]]) * 100
    assert chart["strategy"][-1] == pytest.approx(ends)


@pytest.mark.parametrize(
    ("bars", "since", "expected"),
    [
        (1_000, 1_000, [("in_sample", 0, 700), ("held_out", 700, 1_000)]),
        (1_000, 600, [("in_sample", 0, 420), ("held_out", 420, 600), ("out_of_sample", 600, 1_000)]),
        (601, 600, [("in_sample", 0, 420), ("held_out", 420, 600)]),
        (100, 5_000, [("in_sample", 0, 70), ("held_out", 70, 100)]),
    ],
)
def test_parts_share_the_bars_without_a_gap(bars: int, since: int, expected: list[tuple[str, int, int]]) -> None:
    ts = np.arange(bars, dtype=np.int64) * DAY
    parts = published.parts_of(ts, since * DAY)
    found = [(p.name, int(np.searchsorted(ts, p.start)), int(np.searchsorted(ts, p.end))) for p in parts]
    assert found == expected


def test_too_few_bars_before_the_change_tell_nothing() -> None:
    with pytest.raises(InputError, match="99 bars"):
        published.parts_of(np.arange(500, dtype=np.int64) * DAY, 99 * DAY)


@pytest.mark.row("D21")
def test_costs_are_everybodys_and_a_strategys_own_do_not_count(alice: User, measured) -> None:
    dear = measured(alice, "Dear", settings={"commission_rate": 0.1})
    free = measured(alice, "Free", settings={"slippage_model": "none", "fill_at": "this_close"})
    assert dear.figures["result_hash"] == free.figures["result_hash"]


@pytest.mark.row("D21")
def test_a_change_makes_the_figures_stale_until_they_are_computed_anew(alice: User, measured) -> None:
    row = measured(alice)
    before = (row.choice_since, row.figures["result_hash"], row.version)
    services.update(alice, row.strategy_id, {"name": "Renamed", "description": "Other words"})
    row.refresh_from_db()
    assert (row.name, row.state, row.is_stale, row.choice_since) == ("Renamed", "DONE", False, before[0])

    services.update(alice, row.strategy_id, {"parameters": {"fast_window": 3, "slow_window": 9}})
    row.refresh_from_db()
    assert (row.state, row.is_stale) == ("QUEUED", True)
    assert row.figures["result_hash"] == before[1], "the old ones stay, marked as such"
    assert row.choice_since > before[0], "what came until now is no longer out of sample"
    published.measure(row.pk)
    row.refresh_from_db()
    assert (row.state, row.is_stale) == ("DONE", False)
    assert row.figures["result_hash"] != before[1]
    assert row.figures_version == row.version != before[2]


def test_a_message_that_comes_twice_or_late_changes_nothing(alice: User, measured) -> None:
    row = measured(alice)
    seen = row.measured_at
    published.measure(row.pk)
    published.measure(987_654)
    row.refresh_from_db()
    assert row.measured_at == seen
    # Changed while a worker is at it: what that worker found is of the past, and is not kept.
    Publication.objects.filter(pk=row.pk).update(state="QUEUED")
    taken = figures.claim(row.pk)
    assert taken is not None
    assert figures.claim(row.pk) is None
    services.update(alice, row.strategy_id, {"parameters": {"fast_window": 4}})
    assert figures.keep(taken, row.figures, row.chart, "x" * 64) is False
    assert figures.fail(taken, "late") is False
    row.refresh_from_db()
    assert (row.state, row.data_hash == "x" * 64) == ("QUEUED", False)


@pytest.mark.row("D21")
def test_what_cannot_be_measured_says_why(alice: User, publish) -> None:
    row = publish(alice)
    published.measure(row.pk)
    row.refresh_from_db()
    assert row.state == "FAILED"
    assert "stored no longer" in row.problem
    # The tier's limit on the bars of one backtest holds here, too.
    assert row.figures == {}


@pytest.mark.row("D21")
@pytest.mark.usefixtures("sample_data")
def test_the_tiers_limit_of_bars_holds_here_too(alice: User, publish) -> None:
    Tier.objects.update(max_backtest_bars=1_000)
    row = publish(alice)
    published.measure(row.pk)
    row.refresh_from_db()
    assert row.state == "FAILED"
    assert "1,000 bars" in row.problem


@pytest.mark.row("D21")
def test_what_is_due_is_asked_for_again(
    alice: User, measured, publish, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries
) -> None:
    done = measured(alice)
    assert figures.due() == []
    waiting = publish(alice, "Waits")
    lost = measured(alice, "Its worker died")
    old = timezone.now() - timedelta(hours=1)
    Publication.objects.filter(pk=lost.pk).update(state="RUNNING", started_at=old)
    assert figures.due() == [waiting.pk, lost.pk]
    UserStrategy.objects.exclude(pk=done.strategy_id).delete()

    # Newer bars, of the one symbol that has any.
    last = Coverage.objects.get(instrument__symbol="AAPL")
    Coverage.objects.filter(pk=last.pk).update(last_at=last.last_at + timedelta(days=1))
    assert figures.due() == [done.pk]
    Coverage.objects.filter(pk=last.pk).update(last_at=last.last_at)

    # Other code behind the same choice: figures are due, and what was held out stays so.
    Publication.objects.filter(pk=done.pk).update(state="DONE")
    assert figures.due() == []
    since = done.choice_since
    monkeypatch.setattr("strategies.catalogue.ma_crossover.MACrossover.version", lambda: "0123456789ab")
    assert figures.due() == [done.pk]
    done.refresh_from_db()
    assert (done.is_stale, done.choice_since) == (True, since)
    with django_assert_max_num_queries(8):
        figures.due()


@pytest.mark.row("D21")
def test_strategies_that_were_public_before_the_gallery_are_taken_in(alice: User, publish) -> None:
    row = publish(alice)
    strategy = saved_of(row)
    Publication.objects.all().delete()
    assert figures.due() == [publishing.of(strategy).pk]


@pytest.mark.row("D21")
@pytest.mark.usefixtures("sample_data")
def test_ones_own_prices_are_marked_and_others_must_be_stored(alice: User, publish) -> None:
    row = publish(alice)
    with pytest.raises(InputError, match="No 1h bars of IBM"):
        publishing.publish(alice, saved_of(row), {"symbols": ["IBM"], "timeframe": "1h"})
    with pytest.raises(InputError, match="No 1d bars of NONE"):
        publishing.publish(alice, saved_of(row), {"symbols": ["NONE"]})
    before = Instrument.objects.get(symbol="IBM")
    own = Instrument.objects.create(source="sample", symbol="IBM", owner=alice)
    kept = Coverage.objects.get(instrument=before, timeframe="1d")
    kept.pk, kept.instrument = None, own
    kept.save()
    changed = publishing.publish(alice, saved_of(row), {"symbols": ["ibm"]})
    assert (changed.symbols, changed.own_data) == (["IBM"], True)
    assert changed.choice != row.choice
    published.measure(row.pk)
    row.refresh_from_db()
    assert row.state == "DONE"


@pytest.mark.row("D21", "E5")
@pytest.mark.usefixtures("sample_data")
def test_conditions_are_measured_once_they_are_checked(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(tier=Tier.PREMIUM)
    alice.refresh_from_db()
    body = {
        "name": "Above",
        "description": WORDS,
        "buy_conditions": TREE,
        "sell_conditions": {**TREE, "condition": "below"},
    }
    tree = custom.create(alice, body)
    row = publishing.publish(alice, tree)
    assert (row.kind, row.symbols) == ("conditions", ["AAPL", "IBM", "MSFT", "GOOG"])
    published.measure(row.pk)
    row.refresh_from_db()
    assert row.state == "QUEUED", "a worker looks at the conditions first"
    checking.run(tree.pk, tree.revision)
    published.measure(row.pk)
    row.refresh_from_db()
    assert (row.state, row.problem) == ("DONE", "")
    assert row.figures["parts"][0]["trade_count"] > 0

    CustomStrategy.objects.filter(pk=tree.pk).update(check_state="failed", check_reason="it looks ahead")
    tree.refresh_from_db()
    with pytest.raises(InputError, match="looks ahead"):
        publishing.publish(alice, tree)


@pytest.mark.row("D21")
@pytest.mark.slow
def test_a_real_worker_computes_them(alice: User, sample_data, backtest_worker, publish, settings) -> None:
    """From the press on Publish to figures, through the queue."""
    from tests.servers import wait_until

    row = publish(alice)
    done = Publication.objects.filter(pk=row.pk, state="DONE")
    wait_until(done.exists, "the worker to compute the figures", timeout_s=60)
    assert Publication.objects.get(pk=row.pk).judged_trades > 0
