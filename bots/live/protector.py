"""The protective orders of one session at a broker, as rows: carries out what `bots.live.protection` plans.

Nothing here sends or writes. `plan` changes rows and answers what is to be asked of the venue once they are committed;
what the venue says of them comes back through `answered` and `ended`, and the next plan follows from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from bots import ids, mapping
from bots.brokers.base import Capabilities, InstrumentRules, OrderRequest, Side
from bots.host.account import Absorbed
from bots.host.feeds import wall_time
from bots.live import grouping
from bots.live.account import LiveAccount
from bots.live.asks import Answer, Ask
from bots.live.protection import Action, Alarm, Cancel, Guard, Levels, Place, Replace, Resting, Situation, covered, plan
from bots.live.protection.planning import REFUSALS_BEFORE_FLATTEN
from bots.models import Order, OrderRole
from bots.orders import Moved, OrderState, apply
from engine.portfolio import OpenPosition

_O = OrderState
NAKED_S = 10.0  # so long may a declared stop be neither at the venue nor watched by us
PRINTS = 2  # ticks in a row beyond a level that fire it: one may be a bad print; a closed bar is none
AGAIN_S = (0.0, 1.0, 2.0, 5.0, 15.0)  # after so many refusals in a row of a market exit it is tried again
# Refusals that say nothing of the order itself. insufficient_qty: others hold the shares, or a fill is under way to us.
PASSING = frozenset({"rate_limited", "not_placed", "unauthorised", "insufficient_qty"})


@dataclass(slots=True)
class Watch:
    """What is remembered of one symbol between two plans. fixed: orders that the venue would not replace.
    doubted: those that it said were over."""

    guard: Guard | None = None
    emergency: str = ""
    refusals: int = 0
    exits_refused: int = 0
    not_before: float = 0.0
    naked_since: float | None = None
    last_px: Decimal | None = None
    beyond: int = 0
    fixed: set[int] = field(default_factory=set)
    doubted: set[int] = field(default_factory=set)
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Errand:
    """What one plan asks for. asks: of the venue, once the rows are committed. alarms: (code, text) for the owner."""

    asks: list[Ask] = field(default_factory=list)
    alarms: list[tuple[str, str]] = field(default_factory=list)


class Protector:
    """rules: by symbol, filled by the caller. clock: monotonic seconds."""

    def __init__(
        self,
        account: LiveAccount,
        rules: Mapping[str, InstrumentRules],
        capabilities: Capabilities,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.account, self.rules, self.capabilities, self._clock = account, rules, capabilities, clock
        self.watches: dict[str, Watch] = {}
        self.given: dict[str, Decimal] = {}  # units that are about to be given back: no exit is for them
        own = account.session.orders.filter(seq__gte=ids.PROTECTIVE_FROM)
        newest = own.order_by("-seq").values_list("seq", flat=True).first()
        self._next_seq = ids.PROTECTIVE_FROM if newest is None else newest + 1

    def watch(self, symbol: str) -> Watch:
        return self.watches.setdefault(symbol, Watch())

    # --- plans ------------------------------------------------------------------------------------------------------

    def plan(
        self, symbol: str, position: OpenPosition | None, done: Absorbed, *, is_open: bool, is_watched: bool,
        is_halted: bool = False,
    ) -> Errand:  # fmt: skip
        """The next requests for one symbol, as changes of rows in `done`.

        position: the engine's, None where nothing is held. is_open: its exchange trades now. is_watched: prices come,
        so that what we guard is guarded. is_halted: it does not trade, though its exchange is open.
        """
        if position is None and not self.resting(symbol):
            self.watches.pop(symbol, None)
            return Errand()
        watch, errand = self.watch(symbol), Errand()
        now = self.situation(symbol, position, is_open=is_open, is_halted=is_halted)
        if now is None:
            return errand
        if self._is_naked(now, watch, is_watched=is_watched):
            self._alarm(errand, watch, "naked_position", f"{symbol} is held without its stop; it is being closed.")
            now = self.situation(symbol, position, is_open=is_open, emergency="watchdog") or now
        if now.refusals >= REFUSALS_BEFORE_FLATTEN and position is not None and not is_halted:
            text = f"The venue has refused the stop of {symbol} {now.refusals} times; the position is being closed."
            self._alarm(errand, watch, "stop_rejected", text)
        watch.guard = None
        for action in plan(now):
            if (
                isinstance(action, Place)
                and action.request.kind == "market"
                and now.stop_is_limited
                and watch.emergency
            ):
                text = (
                    f"The market fell through the stop-limit of {symbol}, which was left behind; it is sold at market."
                )
                self._alarm(errand, watch, "stop_left_behind", text)
            self._carry_out(action, now, watch, done, errand)
        return errand

    def situation(
        self, symbol: str, position: OpenPosition | None, *, is_open: bool, emergency: str = "", is_halted: bool = False
    ) -> Situation | None:
        """What a plan starts from; None where the venue's rules are not known."""
        rules, watch = self.rules.get(symbol), self.watch(symbol)
        if rules is None:
            return None
        holding = self.account.book.holdings.get(symbol)
        levels = Levels()
        if position is not None:
            found = (position.stop_px, position.target_px, position.trailing_px)
            levels = Levels(*(mapping.optional_price(px) for px in found))
        plain = [
            t.row for t in self.account.orders.values() if t.row.symbol == symbol and t.row.role == OrderRole.PLAIN
        ]
        # What waits for the end of a halt leaves its stop at rest until then.
        exits = [row for row in plain if not row.is_entry and not (is_halted and row.state == _O.INTENT)]
        leaving = sum((self._left(row) for row in exits), self.given.get(symbol, Decimal(0)))
        entries = tuple(row.client_order_id for row in plain if row.is_entry and row.state != _O.INTENT)
        held = Decimal(0) if holding is None else holding.qty * holding.sign
        return Situation(
            symbol, held, levels, rules, self.capabilities, self.resting(symbol), leaving, entries,
            emergency or watch.emergency, watch.refusals, watch.last_px, is_open, is_halted,
        )  # fmt: skip

    def resting(self, symbol: str) -> tuple[Resting, ...]:
        """Protective orders of the symbol that are not over, targets before their stops."""
        rows = [t.row for t in self.account.orders.values() if t.row.symbol == symbol and t.row.role != OrderRole.PLAIN]
        rows.sort(key=lambda row: (grouping.group_of(row), row.role != OrderRole.TARGET, row.seq))
        entries = {t.row.client_order_id for t in self.account.orders.values() if t.row.is_entry}
        fixed = self.watch(symbol).fixed
        found = []
        for row in rows:
            group = grouping.group_of(row)
            sleeps = group in entries  # also where the venue has filled it, and we have yet to book that
            found.append(
                Resting(
                    row.client_order_id,
                    row.role,
                    row.kind,
                    OrderState(row.state),
                    self._left(row),
                    row.stop_px,
                    row.limit_px,
                    group,
                    sleeps,
                    group if sleeps else "",
                    row.seq in fixed,
                )
            )
        return tuple(found)

    def _left(self, row: Order) -> Decimal:
        view = self.account.orders[row.seq].view
        return max(view.qty - view.filled, Decimal(0))

    def _is_naked(self, now: Situation, watch: Watch, *, is_watched: bool) -> bool:
        """Whether a declared stop has been neither at the venue nor watched by us for too long."""
        stops = covered(now) - now.at_market  # an exit of ours that is refused again and again covers nothing
        bare = now.stop is not None and now.is_open and not now.is_halted and now.held - now.leaving > stops
        if not bare or is_watched:
            watch.naked_since = None
            watch.told.discard("naked_position")
            return False
        if watch.naked_since is None:
            watch.naked_since = self._clock()
        return self._clock() - watch.naked_since >= NAKED_S

    @staticmethod
    def _alarm(errand: Errand, watch: Watch, code: str, text: str) -> None:
        if code not in watch.told:
            watch.told.add(code)
            errand.alarms.append((code, text))

    # --- rows -------------------------------------------------------------------------------------------------------

    def _carry_out(self, action: Action, now: Situation, watch: Watch, done: Absorbed, errand: Errand) -> None:
        if isinstance(action, Guard):
            watch.guard = action
        elif isinstance(action, Alarm):
            self._alarm(errand, watch, action.code, action.text)
        elif isinstance(action, Cancel):
            tracked = self.account.find(action.ref)
            if tracked is not None and tracked.row.seq in self.account.orders:
                self.account.unwant(tracked.row.seq, done)
                self.account.settle(tracked, wall_time(), done)
        elif self._clock() >= watch.not_before:
            errand.asks.append(self._place(action, done) if isinstance(action, Place) else self._replace(action, done))

    def _place(self, action: Place, done: Absorbed) -> Ask:
        request = action.request
        first = self._row(request.symbol, request, action.role, action.reason, done)
        if request.order_class == "oco":
            first.limit_px = request.take_profit
            name = grouping.leg_id(first.client_order_id, OrderRole.STOP)
            kind = "stop" if request.stop_loss_limit is None else "stop_limit"
            leg = OrderRequest(name, request.symbol, request.side, kind, request.time_in_force, request.qty,
                               limit_px=request.stop_loss_limit, stop_px=request.stop_loss)  # fmt: skip
            self._row(request.symbol, leg, OrderRole.STOP, self._stop_reason(request), done, sent_with=first)
        rows = [tracked.row for tracked in self.account.orders.values()]
        return Ask("submit", first, True, grouping.request_of(first, rows, self.rules.get(request.symbol)))

    def _stop_reason(self, request: OrderRequest) -> str:
        row = self.account.positions.get(request.symbol)
        trails = row is not None and row.trailing_px is not None and row.trailing_px != row.stop_px
        if not trails or row is None or row.trailing_px is None:
            return "stop_loss"
        is_nearer = row.stop_px is None or (row.trailing_px > row.stop_px) == (request.side == "SELL")
        return "trailing_stop" if is_nearer else "stop_loss"

    def _replace(self, action: Replace, done: Absorbed) -> Ask:
        tracked = self.account.find(action.ref)
        if tracked is None:
            raise LookupError(f"there is no order {action.ref}")
        old, filled = tracked.row, tracked.view.filled
        left = tracked.view.qty - filled
        qty = left if action.qty is None else action.qty
        request = OrderRequest(
            "", old.symbol, old.side, old.kind, old.time_in_force, qty,  # type: ignore[arg-type]
            limit_px=action.limit_px or old.limit_px, stop_px=action.stop_px or old.stop_px,
        )  # fmt: skip
        new = self._row(old.symbol, request, old.role, old.reason, done, sent_with=old, replaces=old)
        tracked.view = apply(tracked.view, Moved(_O.PENDING_REPLACE))
        self.account.settle(tracked, wall_time(), done)
        changes = {} if action.qty is None else {"qty": qty + filled}  # venues count what has filled already
        changes |= {} if action.stop_px is None else {"stop_px": action.stop_px}
        changes |= {} if action.limit_px is None else {"limit_px": action.limit_px}
        return Ask("replace", new, True, changes=changes)

    def _row(
        self, symbol: str, request: OrderRequest, role: str, reason: str, done: Absorbed, *,
        sent_with: Order | None = None, replaces: Order | None = None,
    ) -> Order:  # fmt: skip
        session = self.account.session
        position = self.account.positions.get(symbol)
        order = Order(
            session_id=session.pk,
            broker_account_id=session.broker_account_id,
            seq=self._next_seq,
            client_order_id=request.client_order_id or ids.client_order_id(session.pk, self._next_seq),
            role=role,
            sent_with="" if sent_with is None else grouping.group_of(sent_with),
            replaces=replaces,
            symbol=symbol,
            side=request.side,
            kind=request.kind,
            time_in_force=request.time_in_force,
            is_entry=False,
            reason=reason,
            qty=mapping.quantity(request.qty),
            limit_px=request.limit_px,
            stop_px=request.stop_px,
            decision_px=None if position is None else position.current_px,
            settings_version=1 if position is None else position.settings_version,
            decided_at=wall_time(),
        )
        self._next_seq += 1
        self.account.add(order, done)
        return order

    def with_exits(self, entry: Order, request: OrderRequest, done: Absorbed) -> None:
        """Rows for the exits of a bracket that leaves together with its entry."""
        side: Side = "SELL" if request.side == "BUY" else "BUY"
        for role, kind, px in (("target", "limit", request.take_profit), ("stop", "stop", request.stop_loss)):
            if px is None:
                continue
            name, is_target = grouping.leg_id(entry.client_order_id, role), role == "target"
            leg = OrderRequest(
                name, request.symbol, side, kind, request.time_in_force, request.qty,
                limit_px=px if is_target else None, stop_px=None if is_target else px,
            )  # fmt: skip
            reason = "take_profit" if is_target else "stop_loss"
            self._row(request.symbol, leg, role, reason, done, sent_with=entry)

    # --- what the venue says ----------------------------------------------------------------------------------------

    def answered(self, answer: Answer) -> None:
        """The answer to one of our own requests: it says what the next plan may try."""
        order, watch = answer.ask.order, self.watch(answer.ask.order.symbol)
        if answer.refusal is None:
            if answer.order is not None and order.kind != "market":
                watch.refusals = 0
            return
        if answer.refusal.code in PASSING:
            watch.not_before = self._clock() + 1.0
        elif answer.ask.do == "replace":
            old = order.replaces
            if old is None:
                return
            if answer.refusal.code in ("is_over", "no_order") and old.seq not in watch.doubted:
                watch.doubted.add(old.seq)  # it is asked about; where it works still, it is not tried a third time
                watch.not_before = self._clock() + 1.0
            else:
                watch.fixed.add(old.seq)
        elif answer.ask.do == "submit":
            self.refused(order)

    def refused(self, order: Order) -> None:
        """The venue has refused it, at once or after it had taken it."""
        watch = self.watch(order.symbol)
        if order.kind == "market":
            watch.exits_refused += 1
            watch.not_before = self._clock() + AGAIN_S[min(watch.exits_refused, len(AGAIN_S) - 1)]
        elif order.role == OrderRole.STOP or not order.sent_with:
            watch.refusals += 1
            if watch.refusals > REFUSALS_BEFORE_FLATTEN:  # in a halt it cannot be closed, and is tried less and less
                watch.not_before = self._clock() + AGAIN_S[min(watch.refusals, len(AGAIN_S)) - 1]

    def split(self, symbol: str, by: Fraction) -> None:
        """`by` new units for each old one: what is remembered of prices follows, and levels are planned anew."""
        watch = self.watch(symbol)
        watch.last_px = None if watch.last_px is None else mapping.split_price(watch.last_px, by)
        watch.guard, watch.beyond, watch.refusals, watch.not_before = None, 0, 0, 0.0

    def price(self, symbol: str, px: float, *, is_bar: bool = False) -> bool:
        """A price that was traded; True: a level that we guard is reached, and the next plan leaves.

        is_bar: of a closed bar, which is believed at once; of ticks it takes two in a row.
        """
        watch = self.watches.get(symbol)
        holding = self.account.book.holdings.get(symbol)
        if watch is None or holding is None or not px > 0:
            return False
        at, guard = mapping.price(px), watch.guard
        if is_bar:
            watch.last_px = at
        if guard is None or watch.emergency:
            return False
        reason = ""
        if guard.stop is not None and (at - guard.stop) * holding.sign <= 0:
            reason = guard.reason
        elif guard.target is not None and (at - guard.target) * holding.sign >= 0:
            reason = "take_profit"
        watch.beyond = watch.beyond + 1 if reason else 0
        if not reason or (watch.beyond < PRINTS and not is_bar):
            return False
        watch.emergency, watch.last_px = reason, at
        return True
