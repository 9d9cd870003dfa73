"""A broker without sockets: the contract over a practice exchange in this process.

For rehearsals in tests, and as the twin of what the adapters reach through the network: the same exchange, so the same
case must end the same way on both. It touches no broker and no network.
"""

from __future__ import annotations

import datetime
import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal

from bots.brokers.alpaca.activities import TYPES
from bots.brokers.alpaca.shapes import (
    COIN_KINDS,
    COIN_TIFS,
    FRACTION,
    STATES,
    STOCK_CLASSES,
    STOCK_KINDS,
    STOCK_STEPS,
    STOCK_TIFS,
)
from bots.brokers.base import (
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    Capabilities,
    CashActivity,
    Execution,
    InstrumentRules,
    KeyFacts,
    Money,
    OrderRequest,
    Refused,
    Unauthorised,
)
from bots.brokers.pace import Pace
from bots.orders import OrderState
from bots.practice import orders as venue
from bots.practice.checks import buying_power
from bots.practice.exchange import Exchange

log = logging.getLogger(__name__)

PER_MINUTE = 1e9  # there is no network, and nothing to be sparing with
CODES = {"fractional": "not_fractionable", "no_position": "invalid"}  # the exchange's words that are not the contract's
CAPABILITIES = {
    "alpaca": Capabilities(True, 1.0, True, STOCK_CLASSES, can_replace=True, trailing_stops=True),
    "binance": Capabilities(False, 1.0, True, frozenset({"simple"}), can_replace=False, trailing_stops=False,
                            whole_position_is_balance=True),
}  # fmt: skip


class PaperBroker:
    """See `bots.brokers.base.Broker`. lock: held by whoever touches the exchange. house: whose rules orders obey."""

    kind = "paper"

    def __init__(
        self,
        exchange: Exchange,
        lock: threading.RLock,
        key: str,
        secret: str,
        house: Literal["alpaca", "binance"] = "alpaca",
    ) -> None:
        self.exchange, self._lock, self._key, self._secret, self._house = exchange, lock, key, secret, house
        self.capabilities = CAPABILITIES[house]
        self.pace = Pace(PER_MINUTE)

    @contextmanager
    def _account(self) -> Iterator[venue.Account]:
        """The account, with the exchange to ourselves; what it refuses is told in the contract's words."""
        with self._lock:
            found = self.exchange.accounts.get(self._key)
            if found is None or found.secret != self._secret:
                raise Unauthorised("The exchange does not accept these keys: they are wrong or revoked.")
            try:
                yield found
            except venue.Refusal as error:
                raise Refused(CODES.get(error.code, error.code), error.message, **error.facts) from None

    # --- the account ------------------------------------------------------------------------------------------------

    def check_keys(self) -> KeyFacts:
        with self._account() as account:
            return KeyFacts(account.id, "USD", False, not account.is_blocked, account.may_withdraw, account.may_short)

    def money(self) -> Money:
        with self._account() as account:
            power = buying_power(account, account.working(), self.exchange.quotes)
            equity = self.exchange.equity(account)
            return Money(account.id, "USD", account.cash, equity, power, account.is_blocked, account.may_short)

    def positions(self) -> list[BrokerPosition]:
        with self._account() as account:
            quotes = self.exchange.quotes
            held = [(symbol, row) for symbol, row in account.positions.items() if row.qty]
            return [BrokerPosition(symbol, row.qty, row.average_px, quotes[symbol].last) for symbol, row in held]

    def rules(self, symbols: Collection[str]) -> dict[str, InstrumentRules]:
        found = self.exchange.instruments
        return {symbol: _rules(found[symbol]) for symbol in symbols if symbol in found}

    # --- orders -----------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> BrokerOrder:
        asked = venue.Request(
            request.symbol, request.side.lower(), request.kind, request.time_in_force,  # type: ignore[arg-type]
            request.client_order_id, request.qty, limit_px=request.limit_px, stop_px=request.stop_px,
            trail_px=request.trail_px, trail_pct=request.trail_pct, order_class=request.order_class,
            take_profit=request.take_profit, stop_loss=request.stop_loss, stop_loss_limit=request.stop_loss_limit,
            extended_hours=request.extended_hours, house=self._house,
        )  # fmt: skip
        with self._account() as account:
            return _order(account, self.exchange.submit(account, asked))

    def cancel(self, order: BrokerOrder) -> None:
        with self._account() as account:
            self.exchange.cancel(account, self._id_of(account, order))

    def replace(
        self,
        order: BrokerOrder,
        client_order_id: str,
        *,
        qty: Decimal | None = None,
        limit_px: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> BrokerOrder:
        if not self.capabilities.can_replace:
            raise Refused("invalid", "This exchange changes no orders.")
        with self._account() as account:
            changes = {"qty": qty, "limit_px": limit_px, "stop_px": stop_px}
            new = self.exchange.replace(account, self._id_of(account, order), client_order_id, **changes)
            return _order(account, new)

    def find(self, client_order_id: str, symbol: str) -> BrokerOrder | None:
        with self._account() as account:
            return self.order(account.by_client_id.get(client_order_id, ""), symbol)

    def order(self, broker_order_id: str, symbol: str) -> BrokerOrder | None:
        with self._account() as account:
            row = account.orders.get(broker_order_id)
            return None if row is None else _order(account, row)

    def open_orders(self) -> list[BrokerOrder]:
        with self._account() as account:
            return [_order(account, row, with_legs=False) for row in account.working()]

    # --- what has happened ------------------------------------------------------------------------------------------

    def executions(self, since: datetime.datetime, symbols: Collection[str]) -> list[Execution]:
        with self._account() as account:
            found = [(e, row) for row in account.orders.values() for e in row.executions if e.at >= since]
            return [_execution(row, e) for e, row in sorted(found, key=lambda each: each[0].number)]

    def activities(self, since: datetime.datetime) -> list[CashActivity]:
        with self._account() as account:
            return [_activity(self.exchange, row) for row in account.flows if row.at >= since]

    def last_prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        with self._account():
            quotes = self.exchange.quotes
            return {symbol: quotes[symbol].last for symbol in symbols if symbol in quotes}

    def stream(
        self, on_event: Callable[[BrokerEvent], None], on_up: Callable[[], None], on_down: Callable[[str], None]
    ) -> PaperStream:
        return PaperStream(self, on_event, on_up, on_down)

    def close(self) -> None:
        """There is nothing to let go of."""

    @staticmethod
    def _id_of(account: venue.Account, order: BrokerOrder) -> str:
        return order.broker_order_id or account.by_client_id.get(order.client_order_id, "")


class PaperStream:
    """See `bots.brokers.base.Stream`. Its thread hands on what the exchange tells; it is never down while it runs."""

    def __init__(
        self,
        broker: PaperBroker,
        on_event: Callable[[BrokerEvent], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._broker, self._on_event, self._on_up, self._on_down = broker, on_event, on_up, on_down
        self._waiting: queue.SimpleQueue[BrokerEvent | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="paper-updates", daemon=True)
        self.is_up = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.5)

    def _run(self) -> None:
        exchange = self._broker.exchange
        try:
            with self._broker._account() as account:
                self._account = account
                exchange.listen(self._heard)
        except Unauthorised as error:
            self._tell(self._on_down, str(error))
            return
        self.is_up = True
        self._tell(self._on_up)
        while (event := self._waiting.get()) is not None:
            self._tell(self._on_event, event)
        self.is_up = False
        with self._broker._lock:
            exchange.forget(self._heard)

    def _heard(self, event: venue.Event) -> None:
        """Called by the exchange, under its lock."""
        if event.account is self._account:
            execution = _execution(event.order, event.execution) if event.execution else None
            order = _order(event.account, event.order)
            self._waiting.put(BrokerEvent("fill" if execution else "order", event.at, order, execution))

    def _tell(self, whom: Callable[..., None], *what: object) -> None:
        try:
            whom(*what)
        except Exception:
            log.exception("A listener of the paper exchange failed")


def _order(account: venue.Account, row: venue.VenueOrder, *, with_legs: bool = True) -> BrokerOrder:
    state = STATES[row.status]
    request = row.request
    return BrokerOrder(
        client_order_id=request.client_id,
        broker_order_id=row.id,
        symbol=request.symbol,
        side="BUY" if request.side == "buy" else "SELL",
        kind=request.kind,
        state=OrderState.PARTIALLY_FILLED if state is OrderState.ACCEPTED and row.filled else state,
        qty=row.qty,
        filled=row.filled,
        avg_px=row.average_px,
        limit_px=row.limit_px,
        stop_px=row.stop_px,
        status=row.status,
        reason=row.reason,
        replaces=row.replaces or "",
        replaced_by=row.replaced_by or "",
        updated_at=row.updated_at or row.created_at,
        legs=tuple(_order(account, account.orders[leg]) for leg in row.legs) if with_legs else (),
    )


def _execution(row: venue.VenueOrder, execution: venue.Execution) -> Execution:
    return Execution(
        execution.id, row.id, row.request.client_id, row.request.symbol, "BUY" if row.sign > 0 else "SELL",
        execution.qty, execution.px, execution.at, execution.fee, execution.fee_asset if execution.fee else "",
    )  # fmt: skip


def _activity(exchange: Exchange, row: venue.Flow) -> CashActivity:
    kind, ratio = TYPES.get(row.what, "other"), None
    if kind == "split":
        split = [s for s in exchange.splits if s.symbol == row.symbol and s.at <= row.at][-1]
        ratio = Decimal(split.new) / Decimal(split.old)
    elif row.what in ("CSD", "CSW"):
        kind = "deposit" if row.amount > 0 else "withdrawal"
    return CashActivity(row.id, kind, row.amount, "USD", row.at, row.symbol, ratio, row.what)


def _rules(instrument: venue.Instrument) -> InstrumentRules:
    is_coin = instrument.asset_class == "crypto"
    return InstrumentRules(
        instrument.symbol, True, ((Decimal(0), instrument.tick),) if instrument.tick else STOCK_STEPS, instrument.lot,
        min_qty=instrument.lot if is_coin else Decimal(0), min_notional=instrument.min_notional,
        fractionable=instrument.fractionable and not is_coin, fraction_step=FRACTION,
        shortable=instrument.shortable and not is_coin, extended_hours=not is_coin, calendar=instrument.calendar,
        base=instrument.base, quote=instrument.quote, kinds=COIN_KINDS if is_coin else STOCK_KINDS,
        tifs=COIN_TIFS if is_coin else STOCK_TIFS, classes=frozenset({"simple"}) if is_coin else STOCK_CLASSES,
    )  # fmt: skip
