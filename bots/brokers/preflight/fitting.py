"""An exit, brought to what the venue takes: nothing may hold it back."""

from __future__ import annotations

from dataclasses import replace

from bots.brokers import steps
from bots.brokers.base import InstrumentRules, OrderRequest


def fitted(request: OrderRequest, rules: InstrumentRules | None) -> OrderRequest:
    """The nearest order that the venue takes: never larger, and at market where its kind is not offered.

    rules: None: not known. What is left over, because one order takes no more, is another exit's.
    """
    if rules is None:
        return request
    qty = request.qty if rules.max_qty is None else min(request.qty, rules.max_qty)
    made = replace(request, qty=steps.floor_qty(qty, rules))
    if request.kind not in rules.kinds:
        made = replace(made, kind="market", limit_px=None, stop_px=None, trail_px=None, trail_pct=None)
    if made.limit_px is not None:
        made = replace(made, limit_px=steps.limit_px(made.limit_px, request.side, rules))
    if made.stop_px is not None:
        made = replace(made, stop_px=steps.stop_px(made.stop_px, request.side, rules))
    if not rules.base and made.qty % rules.lot:
        made = replace(made, time_in_force="day", order_class="simple", take_profit=None, stop_loss=None)
    elif request.time_in_force not in rules.tifs:
        made = replace(made, time_in_force="gtc" if "gtc" in rules.tifs else "day")
    return made if made.kind == "limit" else replace(made, extended_hours=False)
