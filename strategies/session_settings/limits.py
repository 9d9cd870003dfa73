"""The settings that refuse an entry, make it smaller, or close what is held."""

from __future__ import annotations

from strategies.params import BoolParam, IntParam, MoneyParam, PctParam, RatioParam

_LIMITS = "Limits"


class Limits:
    """Declared as the rest of the settings; read through `SETTINGS`."""

    max_position_size_pct = PctParam(
        25,
        min=0.01,
        max=100,
        step=1,
        group=_LIMITS,
        label="Largest position",
        help="No position is opened larger than this share of equity.",
    )
    max_symbol_concentration_pct = PctParam(
        None,
        min=0.01,
        max=100,
        step=1,
        group=_LIMITS,
        label="Largest share of one symbol",
        help="Entries that would lift one symbol above this share of equity are cut.",
    )
    max_open_positions = IntParam(
        None, min=1, max=10_000, group=_LIMITS, label="Open positions", help="Most positions open at one time."
    )
    daily_loss_limit_pct = PctParam(
        None,
        min=0.01,
        max=100,
        step=0.5,
        group=_LIMITS,
        label="Daily loss limit",
        help="No entry for the rest of a trading day that has lost this share of its opening equity.",
    )
    daily_loss_limit_abs = MoneyParam(
        None,
        min=0.01,
        max=1e12,
        step=100,
        group=_LIMITS,
        label="Daily loss limit, amount",
        help="No entry for the rest of a trading day that has lost this much money.",
    )
    max_drawdown_pct = PctParam(
        None,
        min=0.01,
        max=100,
        step=1,
        group=_LIMITS,
        label="Drawdown limit",
        help="Close everything and enter no more once equity is this far below its peak.",
    )
    weekly_target_pct = PctParam(
        None,
        min=0.01,
        max=10_000,
        step=0.5,
        group=_LIMITS,
        label="Weekly target",
        help="Tell me once a session's equity is this far above where the trading week began. Nothing stops.",
    )
    max_gross_exposure_pct = PctParam(
        None,
        min=0.01,
        max=10_000,
        step=5,
        group=_LIMITS,
        label="Gross exposure",
        help="Entries that would lift all positions and working entries together above this share of equity are cut.",
    )
    max_net_exposure_pct = PctParam(
        None,
        min=0.01,
        max=10_000,
        step=5,
        group=_LIMITS,
        label="Net exposure",
        help="As gross exposure, with short positions counted against long ones.",
    )
    account_gross_cap = MoneyParam(
        None,
        min=0.01,
        max=1e12,
        step=1_000,
        group=_LIMITS,
        label="Account: gross exposure",
        help="Most money in all positions and working entries of the account, other sessions included.",
    )
    account_net_cap = MoneyParam(
        None,
        min=0.01,
        max=1e12,
        step=1_000,
        group=_LIMITS,
        label="Account: net exposure",
        help="As the account's gross exposure, with short positions counted against long ones.",
    )
    account_symbol_cap = MoneyParam(
        None,
        min=0.01,
        max=1e12,
        step=1_000,
        group=_LIMITS,
        label="Account: one symbol",
        help="Most money that the account has in one symbol, other sessions included.",
    )
    max_correlated_positions = IntParam(
        None,
        min=1,
        max=10_000,
        group=_LIMITS,
        label="Correlated positions",
        help="No entry once so many positions are held that move with it.",
    )
    correlation_threshold = RatioParam(
        0.8,
        min=0.01,
        max=1,
        step=0.05,
        group=_LIMITS,
        label="Correlation: from",
        help="Positions move together from this correlation of their returns on.",
    )
    correlation_bars = IntParam(
        60,
        min=3,
        max=1_000,
        unit="bars",
        group=_LIMITS,
        label="Correlation: bars",
        help="Returns that a correlation is worked out from; with fewer no entry is refused.",
    )
    max_orders_per_minute = IntParam(
        None,
        min=1,
        max=1_000,
        group=_LIMITS,
        label="Entries per minute",
        help="Most entries decided in 60 seconds.",
    )
    price_collar_pct = PctParam(
        None,
        min=0.01,
        max=10_000,
        step=0.5,
        group=_LIMITS,
        label="Price collar",
        help="No entry at a price farther than this from the last close, or after a bar that moved farther.",
    )
    cooldown_bars = IntParam(
        None,
        min=1,
        max=1_000_000_000,
        unit="bars",
        group=_LIMITS,
        label="Cooldown",
        help="After a position was closed its symbol is not entered again for so many bars.",
    )
    flatten_at_session_end = BoolParam(
        False,
        group=_LIMITS,
        label="Flat overnight",
        help="Close everything before the exchange's session ends. Daily bars and markets that never close have none.",
    )
    min_confidence = RatioParam(
        0.0,
        min=0,
        max=1,
        step=0.05,
        group=_LIMITS,
        label="Least confidence",
        help="Signals less sure than this are not traded.",
    )
    allow_short = BoolParam(
        False,
        group=_LIMITS,
        label="Short selling",
        help="Let a sell signal open a short position, where the strategy does.",
    )
