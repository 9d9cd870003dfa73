"""An exit, brought to what the venue takes: nothing may hold it back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bots.brokers import steps
from bots.brokers.base import OrderRequest
from bots.brokers.preflight.checks import held_for_orders
from bots.brokers.preflight.shapes import Known


def fitted(request: OrderRequest, known: Known) -> OrderRequest:
    """The nearest order that the venue takes: never larger, and at market where its kind is not offered.

    A quantity of 0 means that nothing can be sold now: what is held is less than the least that is traded.
    """
    rules = known.rules
    if rules is None:
        return request
    qty = request.qty
    if known.held * (1 if request.side == "BUY" else -1) < 0:
        free = abs(known.held) - held_for_orders(known.open_orders, request.symbol, known.held)
        qty = min(qty, max(free, Decimal(0)))
    if rules.max_qty is not None:
        qty = min(qty, rules.max_qty)
    qty = steps.floor_qty(qty, rules)
    made = replace(request, qty=qty if qty >= rules.min_qty else Decimal(0))
    if request.kind not in rules.kinds:
        made = replace(made, kind="market", limit_px=None, stop_px=None, trail_px=None, trail_pct=None)
    if made.limit_px is not None:
        made = replace(made, limit_px=steps.limit_px(made.limit_px, request.side, rules))
    if made.stop_px is not None:
        made = replace(made, stop_px=steps.stop_px(made.stop_px, request.side, rules))
    is_fraction = not rules.base and rules.fractionable and qty % rules.lot != 0
    if is_fraction:
        made = replace(made, time_in_force="day", order_class="simple", take_profit=None, stop_loss=None)
    elif request.time_in_force not in rules.tifs:
        made = replace(made, time_in_force="gtc" if "gtc" in rules.tifs else "day")
    return replace(made, extended_hours=False) if made.kind != "limit" else made
