"""The strategies that ship, one file each; importing this registers them.

`get(slug)`, `all()` and `listed()` are how every other part reaches a strategy. Importing costs NumPy and nothing
heavier: the indicator library loads when signals are computed.
"""

from __future__ import annotations

from strategies.base import Strategy, find, registered

# Importing registers; pages list the strategies in this order.
# isort: off
from strategies.catalogue import ma_crossover  # noqa: F401
from strategies.catalogue import mean_reversion  # noqa: F401
from strategies.catalogue import momentum  # noqa: F401
from strategies.catalogue import bollinger  # noqa: F401
from strategies.catalogue import breakout  # noqa: F401
from strategies.catalogue import rsi_bollinger  # noqa: F401
from strategies.catalogue import zscore_reversion  # noqa: F401
from strategies.catalogue import pairs  # noqa: F401
from strategies.catalogue import stat_arb  # noqa: F401
from strategies.catalogue import price_arbitrage  # noqa: F401
from strategies.catalogue import market_making  # noqa: F401
from strategies.catalogue import multi_timeframe  # noqa: F401
from strategies.catalogue import ai_enhanced  # noqa: F401
from strategies.catalogue import volume  # noqa: F401
from strategies.catalogue import liquidity  # noqa: F401
from strategies.catalogue import smart_money  # noqa: F401
from strategies.catalogue import microstructure  # noqa: F401
from strategies.catalogue import sentiment  # noqa: F401
from strategies.catalogue import allocation  # noqa: F401
from strategies.catalogue import buy_and_hold  # noqa: F401
from strategies import conditions  # noqa: F401
from strategies import ensemble  # noqa: F401
# isort: on


def get(slug: object) -> type[Strategy]:
    """The strategy of that slug. Raises InputError (path ``strategy``) that names the known ones."""
    return find(slug)


def all() -> list[type[Strategy]]:
    """Every registered strategy: the shipped ones in the order of the pages, then those registered later."""
    return list(registered().values())


def label_of(slug: str) -> str:
    """The label of a shipped strategy; the slug where it is gone."""
    return next((entry.label for entry in all() if entry.slug == slug), slug)


def listed() -> list[type[Strategy]]:
    """Those that are offered by name, in the same order: what people choose from."""
    return [declared for declared in all() if declared.listed]
