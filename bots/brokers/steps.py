"""Prices and quantities on the steps that a venue allows. Rounding never makes an order larger, or a limit worse."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bots.brokers.base import InstrumentRules, Side


def floor_px(px: Decimal, rules: InstrumentRules) -> Decimal:
    """The highest legal price that is not above `px`; 0 where there is none."""
    return _to(px, rules.price_step(px), ROUND_FLOOR)


def ceil_px(px: Decimal, rules: InstrumentRules) -> Decimal:
    """The lowest legal price that is not below `px`."""
    up = _to(px, rules.price_step(px), ROUND_CEILING)
    return _to(up, rules.price_step(up), ROUND_CEILING)  # it may have come to where steps are wider


def limit_px(px: Decimal, side: Side, rules: InstrumentRules) -> Decimal:
    """A limit that never pays more, or takes less, than `px`."""
    return floor_px(px, rules) if side == "BUY" else ceil_px(px, rules)


def stop_px(px: Decimal, side: Side, rules: InstrumentRules) -> Decimal:
    """A stop of that side that is reached no later than at `px`: the safer side."""
    return floor_px(px, rules) if side == "BUY" else ceil_px(px, rules)


def qty_step(rules: InstrumentRules) -> Decimal:
    """The least step of a quantity."""
    return rules.fraction_step if rules.fractionable else rules.lot


def floor_qty(qty: Decimal, rules: InstrumentRules) -> Decimal:
    """The most that may be ordered of `qty`; 0 where that is less than one step."""
    return _to(qty, qty_step(rules), ROUND_FLOOR)


def ceil_qty(qty: Decimal, rules: InstrumentRules) -> Decimal:
    """The least that may be ordered and is not below `qty`."""
    return max(_to(qty, qty_step(rules), ROUND_CEILING), least_qty(rules))


def least_qty(rules: InstrumentRules) -> Decimal:
    """The smallest order."""
    return max(rules.min_qty, qty_step(rules))


def whole_lots(qty: Decimal, rules: InstrumentRules) -> Decimal:
    """The part of `qty` in whole lots."""
    return _to(qty, rules.lot, ROUND_FLOOR)


def multiple(qty: Decimal, step: Decimal) -> Decimal:
    """The most whole steps in `qty`."""
    return _to(qty, step, ROUND_FLOOR)


def _to(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """Exact whatever the number of digits: divided into a whole number of steps."""
    if step <= 0:
        return value
    return (value / step).to_integral_value(rounding) * step
