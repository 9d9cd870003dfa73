"""Exits that leave together with their entry, where the venue has them, so that no moment is without a stop."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bots.brokers import steps
from bots.brokers.base import Capabilities, InstrumentRules, OrderClass, OrderRequest, Side
from bots.live.protection.shapes import Levels

LEAST_DISTANCE = Decimal("0.01")  # Alpaca's, between the base price of a bracket and its exits


def with_exits(
    entry: OrderRequest, levels: Levels, base: Decimal, rules: InstrumentRules, capabilities: Capabilities
) -> OrderRequest:
    """The entry as a bracket (a stop and a target) or an OTO (one of them), or as it was where the venue takes none.

    base: the limit, or the last price for a market order: the exits must lie beyond it. Once it has filled they are
    moved to where the engine has them from the real average.
    """
    sign = 1 if entry.side == "BUY" else -1
    side: Side = "SELL" if sign > 0 else "BUY"
    stop, target = levels.stop_for(sign), levels.target
    wanted: OrderClass = "bracket" if stop is not None and target is not None else "oto"
    if (
        (stop is None and target is None)
        or wanted not in capabilities.native_classes & rules.classes
        or entry.order_class != "simple"
        or entry.kind not in ("market", "limit")
        or entry.time_in_force not in ("day", "gtc")
        or entry.extended_hours
        or entry.qty % rules.lot
    ):
        return entry
    stop = None if stop is None else steps.stop_px(stop, side, rules)
    target = None if target is None else steps.limit_px(target, side, rules)
    for px, way in ((stop, -1), (target, 1)):
        if px is not None and (px <= 0 or (px - base) * sign * way < LEAST_DISTANCE):
            return entry
    return replace(entry, order_class=wanted, take_profit=target, stop_loss=stop)
