"""Plans carried out at the practice exchange, with answers that are late, lost or no: what must hold throughout."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bots.live.protection import Cancel, Guard, Levels, Place, Replace, Resting, Situation, may_exit, plan
from bots.orders import OrderState
from bots.practice.checks import held_for_orders
from bots.practice.exchange import AlwaysOpen, Exchange
from bots.practice.orders import Instrument, Quote, Refusal, Request, VenueOrder
from tests.bots.live.venue_rules import ALPACA, STOCK

ZERO = Decimal(0)
ROUNDS = 8  # of plans and answers, until everything rests as it should
STATES = {"accepted": OrderState.SUBMITTED, "new": OrderState.ACCEPTED, "held": OrderState.ACCEPTED,
          "partially_filled": OrderState.PARTIALLY_FILLED}  # fmt: skip
outcomes = st.sampled_from(["taken", "taken", "taken", "refused", "lost", "lost_before"])


class Hours(AlwaysOpen):
    """Open or closed as the machine says."""

    is_up = True

    def is_open(self, instrument: Instrument, at: datetime.datetime) -> bool:
        return self.is_up


class Protection(RuleBasedStateMachine):
    """One long position in whole shares and fractions, one owner of it."""

    @initialize(has_target=st.booleans(), fractions=st.booleans())
    def open(self, has_target: bool, fractions: bool) -> None:
        self.hours = Hours()
        self.exchange = Exchange(
            [Instrument("AAPL")], lambda: datetime.datetime(2026, 11, 2, tzinfo=datetime.UTC), self.hours
        )
        self.account = self.exchange.open_account("k", "s", Decimal(10_000_000), may_short=False)
        self.px = Decimal(100)
        self._quote()
        self.refs: dict[str, dict[str, Any]] = {}  # ours: what we know of each protective order
        self.levels = Levels(Decimal(90), Decimal(120) if has_target else None)
        self.step = Decimal("0.5") if fractions else Decimal(1)
        self.serial = 0
        self.refusals = 0
        self.leaving = ZERO
        self.emergency = ""
        self.fixed: set[str] = set()

    # --- what happens in the world ----------------------------------------------------------------------------------

    @rule(n=st.integers(1, 9))
    def enter(self, n: int) -> None:
        if self.leaving or self.emergency or not self.hours.is_up:
            return
        try:
            self._send(Request("AAPL", "buy", "market", "day", self._id("e"), n * self.step))
        except Refusal as error:
            self._expect(error, "wash_trade")

    @rule(px=st.integers(85, 125), size=st.sampled_from([None, 1, 3]))
    def move(self, px: int, size: int | None) -> None:
        self.px = Decimal(px)
        self._quote(None if size is None else Decimal(size))

    @rule(up=st.integers(1, 8))
    def trail(self, up: int) -> None:
        px = (self.levels.trailing or Decimal(88)) + up
        self.levels = Levels(self.levels.stop, self.levels.target, min(px, self.px - 1))

    @rule()
    def day_ends(self) -> None:
        self.exchange.session_ends("AAPL")
        self.hours.is_up = False

    @rule()
    def day_begins(self) -> None:
        self.hours.is_up = True
        self._quote()

    @rule()
    def split(self) -> None:
        if self.hours.is_up or self.px < 40:
            return
        self.exchange.split("AAPL", 2, 1)
        self.px /= 2
        half = [None if px is None else px / 2 for px in (self.levels.stop, self.levels.target, self.levels.trailing)]
        self.levels, self.leaving = Levels(*half), self.leaving * 2
        self.hear()

    @precondition(lambda self: self.position > 0 and not self.leaving)
    @rule()
    def decide_to_leave(self) -> None:
        self.leaving = self.position

    @rule()
    def emergency_calls(self) -> None:
        if self.position > 0:
            self.emergency = "watchdog"

    # --- what we do -------------------------------------------------------------------------------------------------

    @rule(outcome=outcomes)
    def act(self, outcome: str) -> None:
        self._carry_out(plan(self.situation), outcome)
        self._send_exit()

    @rule()
    def hear(self) -> None:
        """Everything that the venue has told, and the answers to what was asked again."""
        for known in list(self.refs.values()):
            if known["id"] is None:
                known["id"] = self.account.by_client_id.get(known["client"])
                if known["id"] is None:
                    del self.refs[known["ref"]]  # proven: it was never taken
        for known in list(self.refs.values()):
            order = self.account.orders[known["id"]]
            for leg in order.legs:  # the stop of an OCO has an id of the venue's
                if not any(other["id"] == leg for other in self.refs.values()):
                    self._know(self.account.orders[leg].request.client_id, "stop", leg, known["group"])
        self.refs = {ref: known for ref, known in self.refs.items() if not self._order(known).is_over}
        if self.position == 0:
            self.leaving, self.emergency, self.refusals = ZERO, "", 0

    @rule()
    def settle(self) -> None:
        """No faults any more: in a few rounds every share has its stop, or the position is gone."""
        self.hours.is_up = True
        self._quote()
        self.refusals = 0
        for _ in range(ROUNDS):
            self.hear()
            self._carry_out(plan(self.situation), "taken")
            self._send_exit()
        self.hear()
        held = self.position
        if held == 0 or self.leaving or self.emergency:
            assert held == 0, "what should leave has not left"
            return
        stops = [o for o in self.account.working("AAPL") if o.request.kind == "stop"]
        assert sum((o.left for o in stops), ZERO) == held, plan(self.situation)
        wanted = self.levels.stop_for(1)
        assert wanted is not None
        for order in stops:
            assert order.stop_px is not None
            assert abs(order.stop_px - wanted) <= max(Decimal("0.01"), wanted * Decimal("0.0005")) + Decimal("0.01")

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def never_short(self) -> None:
        if hasattr(self, "exchange"):
            assert self.position >= 0

    @invariant()
    def exits_fit_into_the_position(self) -> None:
        if hasattr(self, "exchange"):
            working = self.account.working("AAPL")
            assert held_for_orders(working, self.position) <= self.position or self.position == 0

    @invariant()
    def every_share_is_covered_or_guarded(self) -> None:
        if not hasattr(self, "exchange") or self.position == 0:
            return
        now = self.situation
        guard = next((action for action in plan(now) if isinstance(action, Guard)), None)
        guarded = guard.qty if guard is not None and guard.stop is not None else ZERO
        stops = [o for o in self.account.working("AAPL") if o.request.kind == "stop"]
        resting = sum((o.left for o in stops if o.status != "held" or o.is_armed), ZERO)
        known_at_market = sum((o.left for o in self.account.working("AAPL") if o.request.kind == "market"), ZERO)
        # Of what is being asked for again it is not known yet whether it sells.
        known_at_market += sum((k["qty"] for k in self.refs.values() if k["kind"] == "market" and not k["id"]), ZERO)
        assert guarded + min(resting, now.held) + now.leaving + known_at_market >= now.held or self._is_blind()

    def teardown(self) -> None:
        if hasattr(self, "exchange"):
            self.settle()

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def position(self) -> Decimal:
        return self.account.position("AAPL").qty

    @property
    def situation(self) -> Situation:
        resting = tuple(self._resting(known) for known in self.refs.values())
        return Situation("AAPL", self.position, self.levels, STOCK, ALPACA, resting, min(self.leaving, self.position),
                         (), self.emergency, self.refusals, self.px, self.hours.is_up)  # fmt: skip

    def _is_blind(self) -> bool:
        """Something has ended at the venue that we have not heard of yet."""
        return any(known["id"] is not None and self._order(known).is_over for known in self.refs.values())

    def _order(self, known: dict[str, Any]) -> VenueOrder:
        return self.account.orders[known["id"]]

    def _resting(self, known: dict[str, Any]) -> Resting:
        if known["id"] is None:
            return Resting(known["ref"], known["role"], known["kind"], OrderState.UNKNOWN, known["qty"],
                           known["stop_px"], known["limit_px"], known["group"])  # fmt: skip
        order = self._order(known)
        state = OrderState.ACCEPTED if order.is_over else STATES[order.status]
        left = known["qty"] if order.is_over else order.left
        return Resting(known["ref"], known["role"], order.request.kind, state, left, order.stop_px, order.limit_px,
                       known["group"], is_fixed=known["ref"] in self.fixed)  # fmt: skip

    def _know(self, ref: str, role: str, order_id: str | None, group: str, **facts: Any) -> None:
        order = self.account.orders[order_id] if order_id else None
        base = {"kind": order.request.kind, "qty": order.left} if order else {}
        self.refs[ref] = {"ref": ref, "client": ref, "role": role, "id": order_id, "group": group, "stop_px": None,
                          "limit_px": None, **base, **facts}  # fmt: skip

    def _carry_out(self, actions: list[Any], outcome: str) -> None:
        for action in actions:
            try:
                if isinstance(action, Place):
                    self._place(action, outcome)
                elif isinstance(action, Replace):
                    self._replace(action, outcome)
                elif isinstance(action, Cancel) and outcome in ("taken", "lost"):
                    self.exchange.cancel(self.account, self.refs[action.ref]["id"])
            except Refusal as error:
                self._expect(error, "is_over", "insufficient_qty", "bracket_price", "wash_trade")

    def _place(self, action: Place, outcome: str) -> None:
        if outcome == "refused":
            self.refusals += action.request.kind != "market"
            return
        ref, asked = self._id("p"), action.request
        facts = {"kind": asked.kind, "qty": asked.qty, "stop_px": asked.stop_px, "limit_px": asked.take_profit}
        if outcome == "lost_before":
            self._know(ref, action.role, None, ref, **facts)
            return
        is_oco = asked.order_class == "oco"
        request = Request("AAPL", "sell", asked.kind, asked.time_in_force, ref, asked.qty, None, asked.limit_px,
                          asked.stop_px, order_class=asked.order_class, take_profit=asked.take_profit,
                          stop_loss=asked.stop_loss)  # fmt: skip
        order = self._send(request)
        if outcome == "lost":
            self._know(ref, action.role, None, ref, **facts)
            return
        self.refusals = 0
        self._know(ref, action.role, order.id, ref)
        if is_oco:
            for leg in order.legs:
                self._know(self.account.orders[leg].request.client_id, "stop", leg, ref)

    def _replace(self, action: Replace, outcome: str) -> None:
        old = self.refs[action.ref]
        if outcome == "refused":
            self.fixed.add(action.ref)
            return
        if outcome == "lost_before":
            return
        order = self._order(old)
        qty = None if action.qty is None else action.qty + order.filled
        ref = self._id("r")
        new = self.exchange.replace(
            self.account, old["id"], ref, qty=qty, stop_px=action.stop_px, limit_px=action.limit_px
        )
        if outcome == "taken":
            del self.refs[action.ref]
            self._know(ref, old["role"], new.id, old["group"])
        else:
            self._know(ref, old["role"], None, old["group"], kind=order.request.kind, qty=new.left, stop_px=new.stop_px,
                       limit_px=new.limit_px)  # fmt: skip

    def _send_exit(self) -> None:
        """The engine's own exit, once its shares are free."""
        left = min(self.leaving, self.position)  # the engine makes it as small as what is held
        if left and may_exit(self.situation, left) and not self.situation.at_market:
            try:
                self._send(Request("AAPL", "sell", "market", "day", self._id("x"), left))
            except Refusal as error:
                self._expect(error, "insufficient_qty")

    @staticmethod
    def _expect(error: Refusal, *codes: str) -> None:
        """A view that is behind may ask for what cannot be; nothing else is refused."""
        if error.code not in codes:
            raise AssertionError(error.message) from error

    def _send(self, request: Request) -> VenueOrder:
        return self.exchange.submit(self.account, request)

    def _id(self, kind: str) -> str:
        self.serial += 1
        return f"{kind}{self.serial}"

    def _quote(self, size: Decimal | None = None) -> None:
        self.exchange.quote("AAPL", Quote(self.px, self.px, self.px, size, None))


Protection.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
test_protection = Protection.TestCase
