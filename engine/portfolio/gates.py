"""The gates that an entry meets, in the order in which they are asked, from the figures that the kernel noted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.facts import measure_now
from engine.portfolio.views import OutsideExposure
from engine.rules import Rules
from engine.types import DENIAL_NAMES, LEG_REFUSED
from engine.world import World

_NEVER_EXITED = 1 << 61  # bars; more can only be a symbol without an exit
_CUTS = ("capital_cap", "position_cap", "symbol_cap", "gross_cap", "net_cap", "account_cap")


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate. name: that of its denial. value, limit: in the unit that `text` states; NaN where there is none.

    ok: it lets the entry through (a cap that only makes it smaller does, too).
    """

    name: str
    value: float
    limit: float
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Size:
    """What an entry would ask for.

    asked: units before the caps, NaN where sizing refuses. qty: units after caps and lots. px: what it is sized at.
    reason: the last cap that cut, or the refusal; "" if neither.
    """

    asked: float
    qty: float
    px: float
    reason: str


def facts_of(world: World, s: int, side: int, last_ts: int) -> Any:
    """The FACTS of symbol number s: as its candidate of the last step met them, else of an entry on that side now."""
    facts = world.facts[s]
    if facts["ts"] != last_ts or facts["side"] != side:
        measure_now(world.handle, last_ts, s, side)
    return facts


def size_of(facts: Any) -> Size:
    """From FACTS."""
    reason = int(facts["size_reason"])
    name = DENIAL_NAMES[reason] if reason >= 0 else ""
    return Size(float(facts["asked"]), float(facts["qty"]), float(facts["px"]), name)


def gates_of(facts: Any, rules: Rules, outside: OutsideExposure, symbol: str) -> list[Gate]:
    """The gates that are switched on (and cash), from FACTS. The first that is not ok is the denial's."""
    return [*_of_time(facts, rules), *_of_limits(facts, rules), *_of_size(facts, rules, outside, symbol)]


def _of_time(facts: Any, rules: Rules) -> Iterator[Gate]:
    confidence, blocked = float(facts["confidence"]), int(facts["blocked"])
    if facts["refusal"] == LEG_REFUSED:
        yield Gate("leg_refused", 0.0, 1.0, False, "another leg of the same trade was refused")
    if facts["side"] < 0:
        ok = rules.allow_short
        yield Gate("short_not_allowed", float(ok), 1.0, ok, f"short selling is {'on' if ok else 'off'}")
    if rules.min_confidence > 0.0 and not math.isnan(confidence):
        ok = confidence >= rules.min_confidence
        text = f"confidence {confidence:g}, at least {rules.min_confidence:g} is asked for"
        yield Gate("low_confidence", confidence, rules.min_confidence, ok, text)
    if rules.window is not None:
        is_open = bool(facts["window"])
        yield Gate("outside_window", float(is_open), 1.0, is_open, f"trading hours are {'on' if is_open else 'over'}")
    if blocked >= 0:
        yield Gate(DENIAL_NAMES[blocked], 1.0, 0.0, False, "entries are blocked")
    if rules.flatten_at_session_end:
        closing = bool(facts["closing"])
        text = "the session is about to end" if closing else "the session goes on"
        yield Gate("session_end", float(closing), 0.0, not closing, text)


def _of_limits(facts: Any, rules: Rules) -> Iterator[Gate]:
    equity, top, start = (float(facts[name]) for name in ("equity", "top_equity", "day_start_equity"))
    if rules.max_drawdown_pct is not None or facts["run_halted"]:
        fall, limit = (top - equity) / top * 100.0, _number(rules.max_drawdown_pct)
        text = f"{fall:.2f}% below the highest equity, {_limit(limit)}"
        yield Gate("drawdown_halt", fall, limit, not facts["run_halted"], text)
    if rules.daily_loss_limit_pct is not None or rules.daily_loss_limit_abs is not None or facts["day_halted"]:
        loss, limit = (start - equity) / start * 100.0, _number(rules.daily_loss_limit_pct)
        unit = "% of the day's opening equity"
        if rules.daily_loss_limit_pct is None:
            loss, limit, unit = start - equity, _number(rules.daily_loss_limit_abs), " of money"
        text = f"{loss:.2f}{unit} lost today, {_limit(limit)}"
        yield Gate("daily_loss_halt", loss, limit, not facts["day_halted"], text)
    if rules.cooldown_bars is not None:
        since = float(max(int(facts["since_exit"]), 0))
        ok = since > rules.cooldown_bars
        value = math.inf if since > _NEVER_EXITED else since
        text = f"{value:g} bars since the last exit, more than {rules.cooldown_bars} are asked for"
        yield Gate("cooldown", value, float(rules.cooldown_bars), ok, text)
    if rules.max_orders_per_minute is not None:
        entries, allowed = int(facts["of_minute"]), rules.max_orders_per_minute
        text = f"{entries} entries in the last 60 s, at most {allowed} are allowed"
        yield Gate("order_rate", float(entries), float(allowed), entries < allowed, text)
    if rules.max_open_positions is not None:
        used, slots = int(facts["slots"]), rules.max_open_positions
        ok = used < slots or not facts["needs_slot"]
        yield Gate("no_slot", float(used), float(slots), ok, f"{used} of {slots} positions are in use")
    if rules.max_correlated_positions is not None:
        count, most = int(facts["correlated"]), rules.max_correlated_positions
        text = f"{count} held or pending positions move with it, fewer than {most} are allowed"
        yield Gate("correlated", float(count), float(most), count < most, text)
    if rules.price_collar_pct is not None:
        far, collar = float(facts["farthest"]), rules.price_collar_pct
        text = f"prices are {far:.2f}% apart, at most {collar:g}% is allowed"
        yield Gate("price_collar", far, collar, far <= collar, text)


def _of_size(facts: Any, rules: Rules, outside: OutsideExposure, symbol: str) -> Iterator[Gate]:
    reason = int(facts["size_reason"])
    refused = DENIAL_NAMES[reason] if reason >= 0 and not facts["qty"] > 0.0 else ""
    equity, atr, px = float(facts["equity"]), float(facts["atr"]), float(facts["px"])
    if rules.vol_stop_atr is not None:
        ok = atr > 0.0 or bool(facts["has_stop"])
        yield Gate("no_volatility", atr, 0.0, ok, f"the ATR is {atr:g}, the stop needs one above 0")
    if not equity > 0.0:
        yield Gate("no_equity", equity, 0.0, False, "no equity is left")
        return
    for name, field, text in (
        ("no_stop", "distance", "risk is measured to a stop, which must be on the losing side"),
        ("no_volatility", "atr", "the size needs an ATR above 0"),
        ("no_edge", "kelly_pct", "Kelly finds no edge in the trades so far"),
    ):
        if refused == name:
            yield Gate(name, float(facts[field]), 0.0, False, text)
            return
    asked = float(facts["asked"]) * px
    yield from _of_caps(facts, rules, outside, symbol, asked, refused)
    units, lot = float(facts["qty"]), float(facts["lot"])
    if refused in ("size_zero", ""):
        yield Gate("size_zero", units, lot, refused == "", f"{units:g} units, at least {lot or 'some'} are asked for")
    cost = asked if refused == "no_cash" else units * px
    ok = float(facts["fits"]) > 0.0 or (units == 0.0 and refused != "no_cash")
    text = f"{float(facts['free']):.2f} of cash is free, {cost:.2f} is asked for before commission"
    yield Gate("no_cash", float(facts["free"]), cost, ok, text)


def _of_caps(
    facts: Any, rules: Rules, outside: OutsideExposure, symbol: str, asked: float, refused: str
) -> Iterator[Gate]:
    """Each cap with what the order as asked would make of it; a cap is not ok when it is what left nothing."""
    equity, side = float(facts["equity"]), int(facts["side"])
    gross, net, own = (float(facts[name]) for name in ("gross", "net", "own"))
    held = float(facts["held"]) * float(facts["px"])
    whole = {
        "capital_cap": [(" of money in one entry", asked, rules.capital_per_trade, 1.0)],
        "position_cap": [("% of equity in one entry", asked, rules.max_position_size_pct, equity)],
        "symbol_cap": [("% of equity in the symbol", held + asked, rules.max_symbol_concentration_pct, equity)],
        "gross_cap": [("% of equity in all", gross + asked, rules.max_gross_exposure_pct, equity)],
        "net_cap": [("% of equity one way", net * side + asked, rules.max_net_exposure_pct, equity)],
        "account_cap": [
            (" of money in all of the account", gross + outside.gross + asked, rules.account_gross_cap, 1.0),
            (" of money one way in the account", (net + outside.net) * side + asked, rules.account_net_cap, 1.0),
            (
                " of the account's money in the symbol",
                own + outside.symbols.get(symbol, 0.0) + asked,
                rules.account_symbol_cap,
                1.0,
            ),
        ],
    }
    for name in _CUTS:
        on = [(text, money, limit, base) for text, money, limit, base in whole[name] if limit is not None]
        if not on:
            continue
        text, money, limit, base = max(on, key=lambda row: row[1] / row[2])
        value = money if base == 1.0 else money / base * 100.0
        yield Gate(name, value, limit, refused != name, f"{value:.2f}{text} as asked, at most {limit:g} is allowed")


def _limit(limit: float) -> str:
    return "halted by a limit that is off now" if math.isnan(limit) else f"the limit is {limit:g}"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
