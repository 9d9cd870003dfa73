"""How every session starts: what its rows and its venue say is put together again. A first start has little to say."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bots import mapping
from bots.host import feeds, history, ledger, tape
from bots.host.account import Account
from bots.host.positions import LedgerMismatch
from bots.host.splits import splits_of
from bots.orders import OrderState
from engine import InputError
from engine.exchange import timeframe_ns

if TYPE_CHECKING:
    from bots.host.paper import PaperRunner
    from bots.host.runner import Runner


def reconcile(runner: PaperRunner) -> None:
    """Ask the venue for every order of ours that is not over, and for every one that it still works."""
    open_rows = {tracked.row.client_order_id: tracked.row for tracked in runner.account.orders.values()}
    known = runner.venue.find(open_rows)
    unsent = [row for name, row in open_rows.items() if name not in known]
    for row in unsent:
        if OrderState(row.state) not in (OrderState.INTENT, OrderState.SUBMITTED, OrderState.UNKNOWN):
            raise LedgerMismatch(f"the venue does not know order {row.client_order_id}, which it had accepted")
    ledger.acknowledge(known.values())
    if unsent:
        ledger.acknowledge(runner.venue.submit(unsent))
    foreign = [order.client_order_id for order in runner.venue.working(runner.session.pk)]
    runner.venue.close([name for name in foreign if name not in open_rows])
    if open_rows:
        runner.event("recovery", f"{len(known)} working orders found at the venue, {len(unsent)} sent again.")
        runner.account = Account.load(runner.session)


def warm_up(runner: Runner) -> int:
    """First start: the bars before the first decision. The instant (ns UTC) after which bars are traded on."""
    bars, since = feeds.warmup(runner.key, runner.desk)
    for symbol, columns in bars.items():
        runner.desk.histories[symbol].extend(columns)
    ledger.remember_history(runner.lease, history.pack(bars), first_ns=since)
    return since


def remember(runner: Runner, warmup: bytes, checkpoint: bytes, first_ns: int) -> int:
    """A later start: the same warm-up, every bar traded on, and the portfolio as it was after the last of them.

    Bars from before a split are in the units of today. Answers the close of that bar (ns UTC). A checkpoint that this
    engine cannot read is made anew from the tape.
    """
    histories, plan = runner.desk.histories, runner.desk.plan
    for symbol, columns in history.unpack(warmup).items():
        histories[symbol].extend(columns)
    due = deque(splits_of(runner.session))
    shift = timeframe_ns(plan.timeframe) - timeframe_ns(plan.match_timeframe)
    decided = runner.session.decisions.filter(decides=True, timeframe=runner.session.timeframe).order_by("ts_ns")
    rows = decided.values_list("symbol", "ts_ns", "open", "high", "low", "close", "volume")
    for symbol, ts, *prices in rows.iterator(chunk_size=5_000):
        while due and due[0].after_ns < ts + shift:
            split = due.popleft()
            histories[split.symbol].split(split.ratio)
        histories[symbol].append(ts, tuple(prices))
    for split in due:
        histories[split.symbol].split(split.ratio)
    if not checkpoint:
        return first_ns
    try:
        runner.desk.portfolio.resume(checkpoint)
    except InputError as error:
        if error.faults[0].code not in ("version_changed", "damaged"):
            raise
        damaged = error.faults[0].code == "damaged"
        why = "Its checkpoint is damaged" if damaged else "The engine has changed since"
        runner.event("recovery", f"{why}; the session's own bars are run through the engine again.")
        run = tape.Tape.of(runner.session)
        runner.desk.portfolio.change_rules(*run.plan.rules(run.plan.settings, runner.desk.strategy))
        tape.lead(run, runner.desk.portfolio, runner.desk.strategy, tape.recorded(run))
        runner.desk.change_settings(runner.settings)
    return mapping.nanoseconds(runner.session.last_bar_at) if runner.session.last_bar_at else first_ns
