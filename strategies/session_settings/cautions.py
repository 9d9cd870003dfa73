"""Settings that are legal but probably not meant."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from engine.errors import Fault

OPEN, CLOSE = datetime.time(9, 30), datetime.time(16, 0)  # New York's regular session


def cautions(settings: Mapping[str, Any], *, calendar: str = "XNYS") -> list[Fault]:
    """What is legal but probably not meant; the caller asks for a confirmation before running with it.

    settings: cleaned. calendar: of the market that is traded. The answer is empty when nothing looks wrong.
    """
    found: list[Fault] = []

    def warn(path: str, code: str, message: str, hint: str) -> None:
        found.append(Fault(path, code, message, hint))

    size, method = settings["position_size_value"], settings["position_sizing_method"]
    if method != "fixed":
        if size > 100:
            warn(
                "position_size_value",
                "size_over_equity",
                f"A size of {size:g}% is more than all equity.",
                "Entries will be cut to the limits and to the cash. Use at most 100.",
            )
        elif method == "percentage" and size > settings["max_position_size_pct"]:
            limit = settings["max_position_size_pct"]
            warn(
                "position_size_value",
                "size_over_limit",
                f"Every entry of {size:g}% will be cut to {limit:g}%.",
                "Lower the size or raise the largest position.",
            )
    if method == "risk" and settings["stop_loss_pct"] is None:
        warn(
            "stop_loss_pct",
            "risk_without_stop",
            "Sizing by risk to the stop needs a stop loss; nothing will be bought.",
            "Set a stop loss, or choose another sizing method.",
        )
    start, end = settings["trading_hours_start"], settings["trading_hours_end"]
    if end < start:
        warn(
            "trading_hours_end",
            "window_over_midnight",
            f"The hours {start:%H:%M} to {end:%H:%M} run over midnight.",
            "If that is not meant, exchange the two times.",
        )
    if calendar != "24/7" and set(settings["trading_days"]) <= {"SAT", "SUN"}:
        warn(
            "trading_days",
            "contradictory_window",
            "The exchange is closed on the chosen days, so no entry will ever be decided.",
            "Choose at least one day from Monday to Friday.",
        )
    if calendar == "XNYS" and not settings["extended_hours"] and start < end and (start >= CLOSE or end <= OPEN):
        warn(
            "trading_hours_start",
            "contradictory_window",
            f"The hours {start:%H:%M} to {end:%H:%M} lie outside the session of US stocks, 09:30 to 16:00.",
            "Choose hours within the session, or switch extended hours on.",
        )
    stop, trail, target = settings["stop_loss_pct"], settings["trailing_stop_pct"], settings["take_profit_pct"]
    if stop is not None and trail is not None and trail > stop:
        warn(
            "trailing_stop_pct",
            "stop_never_first",
            "A trailing stop wider than the stop loss acts only after a rise.",
            "That may be meant; a trailing stop usually is the tighter one.",
        )
    costs_pct = 200 * settings["commission_rate"]
    if settings["slippage_model"] == "proportional":
        costs_pct += 200 * settings["slippage_value"]
    if target is not None and target <= costs_pct:
        warn(
            "take_profit_pct",
            "target_below_costs",
            f"A target of {target:g}% does not pay the costs of {costs_pct:g}%.",
            "Every trade that reaches its target would lose money.",
        )
    daily = settings["daily_loss_limit_pct"]
    if daily is not None and stop is not None and method == "percentage":
        worst = min(size, settings["max_position_size_pct"]) * stop / 100
        if worst > daily:
            warn(
                "daily_loss_limit_pct",
                "one_trade_ends_the_day",
                f"One stopped trade loses {worst:g}% of equity, more than the daily limit of {daily:g}%.",
                "Lower the size or the stop, or raise the limit.",
            )
    return found
