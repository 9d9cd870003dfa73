"""The templates that ship. All but the last two trade the synthetic market, so that they run at once."""

from __future__ import annotations

from typing import Any

from bots.templates_of_bots.declared import Template, register

_FOUR = ["SIM-ALPHA", "SIM-BETA", "SIM-GAMMA", "SIM-DELTA"]


def _made(
    symbols: list[str], strategy: str, timeframe: str = "1m", pace: int = 60, **parameters: Any
) -> dict[str, Any]:
    """A configuration on the synthetic market, whose clock runs `pace` times as fast as ours."""
    return {
        "symbols": symbols,
        "strategy": strategy,
        "strategy_parameters": parameters,
        "timeframe": timeframe,
        "trading_frequency": {"1m": 60, "5m": 300, "15m": 900}[timeframe],
        "feed": "synthetic",
        "feed_options": {"accelerate": pace},
    }


def _replayed(symbols: list[str], strategy: str, **parameters: Any) -> dict[str, Any]:
    """A configuration on the sample's real daily prices, replayed as fast as it goes."""
    return {
        "symbols": symbols,
        "strategy": strategy,
        "strategy_parameters": parameters,
        "timeframe": "1d",
        "trading_frequency": 86_400,
        "feed": "replay",
        "feed_options": {"source": "sample", "speed": 0},
    }


register(
    Template(
        slug="first-steps",
        name="First steps",
        for_whom="Somebody who wants to see orders and fills within minutes.",
        does="Buys when a 5-bar average crosses above a 20-bar one on a single symbol, sells on the way back. "
        "Positions are 5 % of the money, with a 2 % stop and a 4 % target.",
        loses="In a market that goes sideways: it buys each small rise and sells each small fall.",
        risk="low",
        preset="conservative",
        config=_made(["SIM-ALPHA"], "ma_crossover", fast_window=5, slow_window=20),
    )
)
register(
    Template(
        slug="steady-trend",
        name="Steady trend",
        for_whom="Somebody who wants few trades and lets winners run.",
        does="Follows the crossing of exponential averages of 20 and 50 bars on four symbols, and gives a position up "
        "when it falls 3 % below its highest price.",
        loses="When trends are short: it enters late, and the trailing stop gives back part of every gain.",
        risk="medium",
        settings={"trailing_stop_pct": 3.0},
        config=_made(_FOUR, "ma_crossover", "5m", fast_window=20, slow_window=50, ma_type="EMA"),
    )
)
register(
    Template(
        slug="slow-and-long",
        name="Slow and long",
        for_whom="Somebody with patience, who wants to pay few commissions.",
        does="Holds while the 50-bar average of 15-minute bars is above the 200-bar one.",
        loses="At every turn: it sells long after the top and buys long after the bottom. Weeks can pass "
        "without a trade.",
        risk="medium",
        settings={"position_size_value": 20.0},
        config=_made(["SIM-ALPHA", "SIM-BETA"], "ma_crossover", "15m", 600, fast_window=50, slow_window=200),
    )
)
register(
    Template(
        slug="dip-buyer",
        name="Dip buyer",
        for_whom="Somebody who thinks that short falls are overdone.",
        does="Buys 1 % below the 20-bar average and sells as far above it. A 2 % stop ends what goes on falling.",
        loses="In a real decline: it buys every step down, and the stop is hit again and again.",
        risk="medium",
        preset="conservative",
        config=_made(["SIM-ALPHA", "SIM-GAMMA"], "mean_reversion", window=20, threshold=0.01),
    )
)
register(
    Template(
        slug="two-sigma",
        name="Two sigma",
        for_whom="Somebody who wants mean reversion measured by volatility, not by a fixed distance.",
        does="Buys two standard deviations below the 20-bar average, sells once the price is back within half a "
        "deviation of it.",
        loses="When volatility jumps: two deviations of a calm hour are nothing in a wild one. It has no stop of its "
        "own beside the 3 % set here.",
        risk="medium",
        settings={"stop_loss_pct": 3.0},
        config=_made(_FOUR, "zscore_reversion", lookback=20, entry_z=2.0, exit_z=0.5),
    )
)
register(
    Template(
        slug="bands",
        name="Bollinger bands",
        for_whom="Somebody who knows the bands from charts and wants to see them trade.",
        does="Buys a close at or below the lower Bollinger band, sells one at or above the upper.",
        loses="In strong trends, when prices walk along a band.",
        risk="medium",
        settings={"stop_loss_pct": 2.5, "take_profit_pct": 5.0},
        config=_made(["SIM-BETA", "SIM-DELTA"], "bollinger", window=20, multiplier=2.0),
    )
)
register(
    Template(
        slug="careful-rsi",
        name="Careful RSI with bands",
        for_whom="Somebody who wants few entries that two indicators agree on.",
        does="Buys only when the RSI is oversold and the price is below its lower band; sells mirrored.",
        loses="Rarely at once, slowly over time: there are so few entries that costs and idle money weigh.",
        risk="low",
        preset="conservative",
        config=_made(_FOUR, "rsi_bollinger", rsi_window=14, rsi_oversold=35, rsi_overbought=65, window=20),
    )
)
register(
    Template(
        slug="breakout-rider",
        name="Breakout rider",
        for_whom="Somebody who accepts many small losses for a few large gains.",
        does="Buys when a close leaves the range of the last 20 bars by 0.25 %, and follows with a trailing stop "
        "of 2 %.",
        loses="On false breakouts, which are most of them.",
        risk="high",
        preset="active",
        settings={"trailing_stop_pct": 2.0},
        config=_made(_FOUR, "breakout", "5m", lookback_window=20, breakout_threshold=0.0025, min_volume_ratio=0),
    )
)
register(
    Template(
        slug="momentum-runner",
        name="Momentum runner",
        for_whom="Somebody who buys strength and can watch it turn.",
        does="Buys what rose 0.5 % over ten bars while the RSI is not overbought, sells what fell as much.",
        loses="At sharp turns: by the time that momentum shows, a reversal may be near.",
        risk="high",
        preset="active",
        config=_made(["SIM-ALPHA", "SIM-BETA", "SIM-GAMMA"], "momentum", momentum_window=10, momentum_threshold=0.005),
    )
)
register(
    Template(
        slug="both-ways",
        name="Both ways",
        for_whom="Somebody who wants to earn from falls, too, and knows what a short position can cost.",
        does="Buys at the lower Bollinger band and sells short at the upper one; each signal turns the position. Every "
        "position has a 2 % stop.",
        loses="In every lasting trend, up or down. A short position can lose more than it was worth.",
        risk="high",
        settings={"allow_short": True, "stop_loss_pct": 2.0, "position_size_value": 5.0},
        config=_made(["SIM-GAMMA", "SIM-DELTA"], "bollinger", window=30, multiplier=2.0),
    )
)
register(
    Template(
        slug="day-shift",
        name="Day shift",
        for_whom="Somebody who wants nothing to be bought at night.",
        does="Follows crossing averages, and decides entries only from 07:00 to 21:00 UTC on MON to FRI. Exits and "
        "stops go on round the clock.",
        loses="When the moves come at night: it misses them, and a position that is open can still gap.",
        risk="low",
        preset="conservative",
        settings={"trading_hours_start": "07:00", "trading_hours_end": "21:00"},
        config=_made(["SIM-ALPHA", "SIM-BETA"], "ma_crossover", fast_window=10, slow_window=30),
    )
)
register(
    Template(
        slug="equal-weights",
        name="Equal weights, held",
        for_whom="Somebody who wants a yardstick for every other bot.",
        does="Buys four symbols in equal parts, holds them, and brings them back to equal parts each week.",
        loses="Whenever the market does, in full.",
        risk="medium",
        settings={
            "position_sizing_method": "equal_weight",
            "position_size_value": 100.0,
            "max_position_size_pct": 25.0,
            "rebalance_frequency": "weekly",
        },
        config=_made(_FOUR, "buy_and_hold", "15m", 600),
    )
)
register(
    Template(
        slug="apple-again",
        name="Apple again",
        for_whom="Somebody who wants to see a session over years of real prices in a minute.",
        does="Replays the sample's daily prices of Apple and follows averages of 20 and 100 days. The session ends by "
        "itself at the last bar.",
        loses="In 2000 to 2002 and in sideways years. That it gained afterwards is known, and proves nothing.",
        risk="medium",
        settings={"position_size_value": 25.0, "commission_rate": 0.0005},
        config=_replayed(["AAPL"], "ma_crossover", fast_window=20, slow_window=100),
    )
)
register(
    Template(
        slug="old-tech-dips",
        name="Old tech dips",
        for_whom="Somebody who wants to see mean reversion meet a real crash.",
        does="Replays daily prices of IBM and Microsoft, and buys closes 5 % below their 20-day average.",
        loses="In 2000 to 2002 and in 2008, when what was cheap became cheaper.",
        risk="medium",
        preset="conservative",
        settings={"commission_rate": 0.0005},
        config=_replayed(["IBM", "MSFT"], "mean_reversion", window=20, threshold=0.05),
    )
)
