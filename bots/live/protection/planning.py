"""From what is known of a position and its protective orders to the next requests.

`plan` is asked again after every event and answers only what can be sent now; what has to wait for the venue's answer
comes with a later plan. These laws hold after every action, whatever the venue answers: exits that rest never sum up to
more than the position (the legs of one group count once); nothing is canceled that can be replaced; shares without a
resting stop are guarded by us.

Alpaca holds one set of exits for a share, so that a stop and a target there are one OCO. Where the venue has none, the
stop rests and the target is guarded. Fractions of a share take DAY orders only, and no groups: they rest apart from the
whole shares, for a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from bots.brokers import steps
from bots.brokers.base import OrderRequest
from bots.live.protection.shapes import (
    ZERO,
    Action,
    Alarm,
    Cancel,
    Guard,
    Place,
    Replace,
    Resting,
    Situation,
    Unit,
    covered,
    room,
    total,
)

TRAIL_STEP = Decimal("0.0005")  # of the price: a stop that trails is moved by at least so much, to save requests
STOP_LIMIT_BAND = Decimal("0.03")  # where only stop-limits rest, the limit lies so far beyond the stop
REFUSALS_BEFORE_FLATTEN = 2  # the first one is answered by another try


def plan(now: Situation) -> list[Action]:
    """The next requests and alarms, and what we guard until they are answered."""
    awake = [unit for unit in now.units if not unit.sleeps and not unit.is_market]
    if now.qty == 0:
        return _cancels(awake)
    if reason := _why_leave(now):
        return [*_leave(now, awake, reason), *_guard(now)]
    keep = max(now.held - now.leaving - now.at_market, ZERO)
    actions: list[Action] = []
    if any(unit.sleeps for unit in now.units):
        actions += _shrink(awake, keep, now)  # the exits that sleep are for these shares, too
    else:
        free = max(room(now) - now.leaving, ZERO)
        for slot in _slots(now, awake, keep):
            filled = _fill(slot, free, now)
            free -= _taken(filled, now)
            actions += filled
    return [*actions, *_guard(now), *_alarms(now)]


# --- leaving --------------------------------------------------------------------------------------------------------


def _why_leave(now: Situation) -> str:
    """Why the position must be closed at market; "" while it need not, or cannot: what rests stays through a halt."""
    if now.is_halted:
        return ""
    if now.emergency:
        return now.emergency
    bare = now.held - covered(now) - now.leaving
    if now.stop is None or bare <= 0 or not now.is_open:
        return ""
    if now.refusals >= REFUSALS_BEFORE_FLATTEN:
        return "watchdog"
    is_underway = any(not unit.is_settled and not unit.sleeps for unit in now.units)
    return now.levels.reason(now.sign) if now.is_past(now.stop, -1) and not is_underway else ""


def _leave(now: Situation, awake: list[Unit], reason: str) -> list[Action]:
    """Out at market: what holds the shares, or could trade with them, ends first; then they go in one order."""
    left = now.held - now.at_market - now.leaving
    if left <= 0:
        return _cancels(awake)
    entries = {leg.entry for unit in now.units for leg in unit.legs if leg.sleeps} | set(now.entries)
    cancels: list[Action] = [Cancel(ref) for ref in sorted(entries)]
    cancels += _cancels(awake)
    if cancels or awake:
        return cancels
    qty = steps.floor_qty(left, now.rules)
    return [Place("stop", reason, _request(now, "market", _day(now), qty))] if qty > 0 else []


# --- resting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Slot:
    """Shares that are treated alike, and the units there are for them. step: their quantity's."""

    want: Decimal
    units: list[Unit]
    time_in_force: str
    takes_groups: bool
    step: Decimal


def _slots(now: Situation, found: list[Unit], keep: Decimal) -> list[_Slot]:
    """Whole lots and the fraction, where the venue treats them apart."""
    rules = now.rules
    tif = "gtc" if "gtc" in rules.tifs else "day"
    groups = "oco" in now.capabilities.native_classes & rules.classes
    if not _splits(now):
        return [_Slot(steps.floor_qty(keep, rules), found, tif, groups, steps.qty_step(rules))]
    whole = steps.whole_lots(keep, rules)
    parts = [unit for unit in found if unit.qty < rules.lot]
    return [
        _Slot(whole, [unit for unit in found if unit not in parts], tif, groups, rules.lot),
        _Slot(steps.floor_qty(keep - whole, rules), parts, "day", False, rules.fraction_step),
    ]


def _splits(now: Situation) -> bool:
    """Whether fractions of a lot are another matter there: only DAY orders take them."""
    return now.rules.fractionable and now.rules.fraction_step < now.rules.lot and "day" in now.rules.tifs


def _fill(slot: _Slot, free: Decimal, now: Situation) -> list[Action]:
    """Bring the units of a slot to what is wanted there. free: shares that nothing holds."""
    if now.stop is None and now.levels.target is None:
        return _cancels(slot.units)
    held = total(slot.units)
    if held > slot.want:
        return _shrink(slot.units, slot.want, now)
    missing = steps.multiple(min(slot.want - held, free), slot.step)
    actions: list[Action] = []
    for unit in slot.units:
        if not unit.is_settled:
            continue
        changes = _changes(unit, now)
        if missing > 0 and len(unit.legs) == 1 and _may_replace(unit, now) and not _ends(changes):
            leg = unit.legs[0]
            grown = next((each for each in changes if isinstance(each, Replace)), Replace(leg.ref))
            changes, missing = [replace(grown, qty=unit.qty + missing)], ZERO
        actions += changes
    return [*actions, *_place(slot, missing, now)] if missing > 0 else actions


def _ends(changes: list[Action]) -> bool:
    return any(isinstance(change, Cancel) for change in changes)


def _changes(unit: Unit, now: Situation) -> list[Action]:
    """Bring a unit to where the engine's levels are. What cannot be changed ends, and a new one follows."""
    stop, target = now.stop, now.levels.target
    lacks_stop = stop is not None and _stop_kind(now) is not None and unit.leg("stop") is None
    has_too_much = (stop is None and unit.leg("stop")) or (target is None and unit.leg("target"))
    if lacks_stop or has_too_much:
        return [] if now.is_washed and lacks_stop else _cancels([unit])
    changes: list[Action] = []
    for leg in unit.legs:
        if leg.role == "stop":
            if _is_stale(leg, now) and not now.is_washed:
                px, limit = _stop_prices(now)
                changes.append(Replace(leg.ref, stop_px=px, limit_px=limit if leg.limit_px is not None else None))
        elif target is not None and leg.limit_px is not None:
            px = steps.limit_px(target, now.side, now.rules)
            if abs(px - leg.limit_px) > now.rules.price_step(px):
                changes.append(Replace(leg.ref, limit_px=px))
    return changes if not changes or _may_replace(unit, now) else _cancels([unit])


def _is_stale(leg: Resting, now: Situation) -> bool:
    """Whether a stop rests too far from where it is wanted: more than a tick, and its least step where it trails."""
    px, _ = _stop_prices(now)
    if px is None or leg.stop_px is None:
        return False
    least = now.rules.price_step(px)
    if now.levels.reason(now.sign) == "trailing_stop":
        least = max(least, px * TRAIL_STEP)
    return abs(px - leg.stop_px) > least


def _shrink(found: list[Unit], want: Decimal, now: Situation) -> list[Action]:
    """Give shares back until no more than `want` are held, the last unit first."""
    excess = total(found) - want
    actions: list[Action] = []
    for unit in reversed(found):
        if excess <= 0:
            break
        if not unit.is_settled:
            excess -= unit.qty  # it is on its way; what it leaves is seen then
        elif unit.qty > excess and len(unit.legs) == 1 and _may_replace(unit, now):
            actions.append(Replace(unit.legs[0].ref, qty=unit.qty - excess))
            excess = ZERO
        else:
            actions += _cancels([unit])
            excess -= unit.qty
    return actions


def _place(slot: _Slot, qty: Decimal, now: Situation) -> list[Action]:
    """One more unit, for shares that have none."""
    stop, limit = _stop_prices(now)
    target = now.levels.target and steps.limit_px(now.levels.target, now.side, now.rules)
    kind = _stop_kind(now)
    if target is not None and now.is_past(target, 1):
        target = None  # no venue takes it; the guard sees it and leaves
    if stop is None:
        if target is None or not _is_enough(qty, target, now):
            return []
        return [Place("target", "take_profit", _request(now, "limit", slot.time_in_force, qty, limit_px=target))]
    if kind is None or not _is_enough(qty, stop, now):
        return []
    if target is not None and slot.takes_groups:
        request = _request(now, "limit", slot.time_in_force, qty, take_profit=target, stop_loss=stop)
        return [Place("target", "take_profit", replace(request, order_class="oco", stop_loss_limit=limit))]
    if now.is_washed:
        return []
    reason = now.levels.reason(now.sign)
    return [Place("stop", reason, _request(now, kind, slot.time_in_force, qty, stop_px=stop, limit_px=limit))]


def _taken(actions: Iterable[Action], now: Situation) -> Decimal:
    """Free shares that these orders will hold."""
    had = {leg.ref: unit.qty for unit in now.units for leg in unit.legs}
    placed = sum((each.request.qty for each in actions if isinstance(each, Place)), ZERO)
    grown = (each.qty - had[each.ref] for each in actions if isinstance(each, Replace) and each.qty is not None)
    return placed + sum((max(more, ZERO) for more in grown), ZERO)


def _is_enough(qty: Decimal, px: Decimal, now: Situation) -> bool:
    """Whether the venue takes an order of that size at all."""
    return qty >= now.rules.min_qty and qty * px >= now.rules.min_notional


def _stop_kind(now: Situation) -> str | None:
    """How a stop rests there; None: it cannot."""
    if not now.capabilities.resting_stops:
        return None
    return next((kind for kind in ("stop", "stop_limit") if kind in now.rules.kinds), None)


def _stop_prices(now: Situation) -> tuple[Decimal | None, Decimal | None]:
    """The stop on the venue's steps, and the limit that goes with it where only stop-limits rest."""
    if now.stop is None:
        return None, None
    px = steps.stop_px(now.stop, now.side, now.rules)
    if _stop_kind(now) != "stop_limit":
        return px, None
    return px, steps.limit_px(px * (1 - now.sign * STOP_LIMIT_BAND), now.side, now.rules)


def _day(now: Situation) -> str:
    """What an order that fills at once is sent with."""
    return "day" if "day" in now.rules.tifs else "gtc"


def _request(now: Situation, kind: str, tif: str, qty: Decimal, **prices: Decimal | None) -> OrderRequest:
    return OrderRequest("", now.symbol, now.side, kind, tif, qty, **prices)


def _may_replace(unit: Unit, now: Situation) -> bool:
    return now.capabilities.can_replace and not any(leg.is_fixed for leg in unit.legs)


def _cancels(found: Iterable[Unit]) -> list[Action]:
    """One cancel ends a whole group; what waits for an answer is left alone."""
    return [Cancel(unit.legs[0].ref) for unit in found if unit.is_settled]


# --- what we watch --------------------------------------------------------------------------------------------------


def _guard(now: Situation) -> list[Action]:
    """What nobody at the venue watches, or not where it should be watched."""
    going = now.at_market + now.leaving
    good = sum(
        (min(leg.left for leg in unit.stops) for unit in now.units
         if unit.stops and not any(_is_stale(leg, now) or leg.kind == "stop_limit" for leg in unit.stops)),
        ZERO,
    )  # fmt: skip
    bare = max(now.held - going - good, ZERO) if now.stop is not None else ZERO
    targets = total(unit for unit in now.units if (leg := unit.leg("target")) and leg.works)
    missed = max(now.held - going - targets, ZERO) if now.levels.target is not None else ZERO
    if not bare and not missed:
        return []
    stop, target = now.stop if bare else None, now.levels.target if missed else None
    return [Guard(max(bare, missed), stop, target, now.levels.reason(now.sign))]


def _alarms(now: Situation) -> list[Action]:
    """A fraction of a share has no stop while the venue is closed."""
    if now.stop is None or now.is_open or not _splits(now):
        return []
    fraction = now.held - steps.whole_lots(now.held, now.rules)
    if fraction <= 0:
        return []
    text = (
        f"{fraction.normalize():f} {now.symbol} are unprotected until the venue opens: fractions take DAY orders only."
    )
    return [Alarm("unprotected_overnight", text)]
