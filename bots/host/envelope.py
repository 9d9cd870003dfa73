"""What a user's bots hold together, for the limits that hold over all of them (W14).

Sessions of this host are known to the last step; those of other hosts as their rows say, at most `LOOK_S` seconds old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts import selectors as accounts
from bots.models import Order, Position
from bots.orders import WORKING
from bots.states import ACTIVE
from engine.portfolio import OutsideExposure


@dataclass(slots=True)
class Held:
    """Signed money by symbol: positions at their marks, and working entries at the price they were decided at."""

    symbols: dict[str, float] = field(default_factory=dict)

    def add(self, symbol: str, value: float) -> None:
        self.symbols[symbol] = self.symbols.get(symbol, 0.0) + value


@dataclass(frozen=True, slots=True)
class Caps:
    """Money that a user's bots may hold together; None: no limit. groups: (name, symbols, cap), which are watched only:
    above its cap a group is told of. blocked: why no entry may be decided at all."""

    gross: float | None = None
    net: float | None = None
    symbol: float | None = None
    blocked: str | None = None
    groups: tuple[tuple[str, frozenset[str], float], ...] = ()

    @property
    def any(self) -> bool:
        """Whether the engine has a limit to keep."""
        return not (self.gross is self.net is self.symbol is None)

    @property
    def watched(self) -> bool:
        """Whether anybody asks what the sessions hold together."""
        return self.any or bool(self.groups)

    def as_settings(self) -> dict[str, float]:
        """The settings that carry them into the engine."""
        caps = {"account_gross_cap": self.gross, "account_net_cap": self.net, "account_symbol_cap": self.symbol}
        return {name: cap for name, cap in caps.items() if cap is not None}


@dataclass(frozen=True, slots=True)
class Fresh:
    """What rows say of owners: their caps, and what sessions beside those of `ours` hold, by session."""

    ours: frozenset[int]
    caps: Mapping[int, Caps]
    elsewhere: Mapping[int, Mapping[int, Held]]


def read(owners: Iterable[int], ours: Iterable[int]) -> Fresh:
    """Ask for it; some queries."""
    mine, caps, elsewhere = frozenset(ours), {}, {}
    for owner_id, (envelope, blocked) in accounts.envelopes(owners).items():
        amounts = (envelope.gross_cap, envelope.net_cap, envelope.symbol_cap)
        groups = tuple(
            (name, frozenset(group["symbols"]), float(group["cap"]))
            for name, group in envelope.groups.items()
            if group.get("cap") is not None
        )
        found = Caps(*(None if amount is None else float(amount) for amount in amounts), blocked, groups)
        caps[owner_id] = found
        if found.watched:
            elsewhere[owner_id] = _holdings_of(owner_id, mine)
    return Fresh(mine, caps, elsewhere)


class Envelopes:
    """Caps and holdings by owner. `take_over` is for what was read; `note` for what a session of ours holds after a
    step."""

    def __init__(self) -> None:
        self._caps: dict[int, Caps] = {}
        self._held: dict[int, dict[int, Held]] = {}  # owner → session → holdings

    def refresh(self, owners: Iterable[int], ours: Iterable[int]) -> None:
        """Read and take over."""
        self.take_over(read(owners, ours))

    def take_over(self, fresh: Fresh) -> None:
        """Have it count from now on. What sessions of ours hold is known better, and stays."""
        self._caps.update(fresh.caps)
        for owner_id, elsewhere in fresh.elsewhere.items():
            known = self._held.setdefault(owner_id, {})
            for session_id in [pk for pk in known if pk not in fresh.ours]:
                del known[session_id]
            known.update(elsewhere)

    def caps(self, owner_id: int) -> Caps:
        return self._caps.get(owner_id, Caps())

    def note(self, owner_id: int, session_id: int, positions: Iterable[Any], orders: Iterable[Any],
             marks: Mapping[str, float]) -> None:  # fmt: skip
        """What a session of ours holds now. positions, orders: the engine's; marks: last prices of its symbols."""
        held = Held()
        for position in positions:
            held.add(position.symbol, position.qty * position.mark)
        for order in orders:
            if order.entry:
                held.add(order.symbol, order.side * (order.qty - order.filled) * marks.get(order.symbol, 0.0))
        self._held.setdefault(owner_id, {})[session_id] = held

    def forget(self, owner_id: int, session_id: int) -> None:
        self._held.get(owner_id, {}).pop(session_id, None)

    def over(self, owner_id: int) -> list[tuple[str, float, float]]:
        """Groups of the owner's that hold more than their cap: (name, held, cap), money, longs and shorts added up."""
        total: dict[str, float] = {}
        for held in self._held.get(owner_id, {}).values():
            for symbol, value in held.symbols.items():
                total[symbol] = total.get(symbol, 0.0) + abs(value)
        sums = [
            (name, sum(total.get(s, 0.0) for s in symbols), cap) for name, symbols, cap in self.caps(owner_id).groups
        ]
        return [(name, value, cap) for name, value, cap in sums if value > cap]

    def outside(self, owner_id: int, session_id: int) -> OutsideExposure | None:
        """What the owner's other sessions hold; None where no limit asks for it."""
        if not self.caps(owner_id).any:
            return None
        gross = net = 0.0
        symbols: dict[str, float] = {}
        for other, held in self._held.get(owner_id, {}).items():
            if other == session_id:
                continue
            for symbol, value in held.symbols.items():
                gross += abs(value)
                net += value
                symbols[symbol] = symbols.get(symbol, 0.0) + abs(value)
        return OutsideExposure(gross=gross, net=net, symbols=symbols)


def _holdings_of(owner_id: int, ours: frozenset[int]) -> dict[int, Held]:
    elsewhere = {"session__owner": owner_id, "session__state__in": ACTIVE}
    found: dict[int, Held] = {}
    positions = Position.objects.filter(is_open=True, **elsewhere).exclude(session__in=ours)
    for session_id, symbol, side, qty, px in positions.values_list("session_id", "symbol", "side", "qty", "current_px"):
        found.setdefault(session_id, Held()).add(symbol, float(qty * px) * (1 if side == "BUY" else -1))
    orders = Order.objects.filter(is_entry=True, state__in=WORKING, **elsewhere).exclude(session__in=ours)
    for session_id, symbol, side, qty, filled, px in orders.values_list(
        "session_id", "symbol", "side", "qty", "filled_qty", "decision_px"
    ):
        value = float((qty - filled) * (px or 0))
        found.setdefault(session_id, Held()).add(symbol, value * (1 if side == "BUY" else -1))
    return found
