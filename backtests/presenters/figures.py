"""Metrics under their headings, and how the value of one is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.safestring import SafeString

from tradingsite.lib.templatetags.figures import NOTHING, money, num, pct, seconds, signed_money, signed_pct

GROUPS = (
    ("Return", ("final_equity", "total_return_pct", "cagr_pct", "annual_return_pct", "best_day_pct", "worst_day_pct")),
    ("Risk", ("volatility_pct", "max_drawdown_pct", "max_drawdown_start", "max_drawdown_low", "max_drawdown_end",
              "max_drawdown_days", "longest_drawdown_days", "var_95_pct", "cvar_95_pct", "skew", "kurtosis")),
    ("Return for risk", ("sharpe", "sortino", "calmar", "sqn")),
    ("Round trips", ("trade_count", "win_rate_pct", "profit_factor", "expectancy", "average_win", "average_loss",
                     "best_trade", "worst_trade", "average_holding_s", "average_holding_bars")),
    ("Market and costs", ("exposure_pct", "average_exposure_pct", "turnover_ratio", "total_commission",
                          "total_slippage", "total_costs")),
    ("Against the benchmark", ("benchmark_return_pct", "benchmark_volatility_pct", "alpha_pct", "beta", "correlation",
                               "information_ratio")),
)  # fmt: skip
SIGNED_PCT = {"total_return_pct", "cagr_pct", "annual_return_pct", "benchmark_return_pct", "alpha_pct", "best_day_pct"}
SIGNED_PCT |= {"worst_day_pct"}
SIGNED_MONEY = {"expectancy", "average_win", "average_loss", "best_trade", "worst_trade"}


def figure_text(name: str, unit: str, value: Any) -> str | SafeString:
    """A metric's value as people read it: the unit with it, the sign where it says gain or loss, a dash for none."""
    if value is None:
        return NOTHING
    if name in SIGNED_PCT:
        return signed_pct(value)
    if name in SIGNED_MONEY:
        return signed_money(value)
    if unit == "pct":
        return pct(value)
    if unit == "money":
        return money(value)
    if unit == "count":
        return num(value, 0 if float(value).is_integer() else 1)
    if unit == "days":
        return f"{num(value, 0)} days"
    if unit == "seconds":
        return _long_duration(float(value))
    if unit == "time":
        return str(value)[:10]
    return num(value, 2)


def _long_duration(value: float) -> str:
    for length, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if value >= length:
            return f"{num(value / length, 1)} {word}"
    return seconds(value)


def plain(text: object) -> str:
    """A coloured figure without its markup, for sentences."""
    return str(text).split(">", 1)[-1].removesuffix("</span>")


def moment(text: str) -> datetime:
    """A time of the summary, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
