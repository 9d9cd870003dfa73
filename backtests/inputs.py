"""The bars of a run: those that it decides on, finer ones that orders meet, the benchmark's, with the news it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from accounts.models import User
from backtests import records
from backtests.runner import RunConfig
from backtests.runner.config import FIRST_DAY
from engine.errors import Fault, InputError
from marketdata.models.instrument import AUTO
from marketdata.news import selectors as news_selectors
from marketdata.news.series import fingerprint
from strategies import catalogue

if TYPE_CHECKING:
    from engine import Bars
    from marketdata.services import LoadedBars


@dataclass(frozen=True, slots=True)
class Inputs:
    """Bars to decide on; finer ones to match on and the benchmark's, where the request names them."""

    deciding: LoadedBars
    matching: LoadedBars | None
    benchmark: LoadedBars | None

    @property
    def walked(self) -> LoadedBars:
        """The bars that the simulation steps through."""
        return self.matching or self.deciding

    @property
    def held(self) -> Bars | None:
        """The bars of the benchmark; None where the run's own symbols are held."""
        return next(iter(self.benchmark.bars.values())) if self.benchmark else None

    def fingerprint(self) -> str:
        return records.data_hash(part.data_hash for part in (self.deciding, self.matching, self.benchmark) if part)


def load(owner: User, config: RunConfig, today: date | None = None) -> Inputs:
    """What the run of this user needs. today: last day of a run that names none; default the UTC day.

    Raises InputError where the platform has not the bars that were asked for.
    """
    from marketdata.services import load_bars

    last = config.end_date or today or datetime.now(UTC).date()

    def bars_of(symbols: Sequence[str], timeframe: str, chosen: Mapping[str, str] | None = None) -> LoadedBars:
        return load_bars(
            symbols,
            timeframe,
            config.start_date or FIRST_DAY,
            last,
            source=config.source,
            adjustment=config.adjustment,
            owner=owner,
            chosen=chosen,
        )

    # The finer ones first: whoever has them has those to decide on, and both are to be from one source.
    matching = bars_of(config.symbols, config.match_timeframe) if config.match_timeframe else None
    deciding = bars_of(config.symbols, config.timeframe, matching.sources if matching else None)
    if matching is not None and config.source == AUTO:
        deciding = replace(deciding, notes=[*matching.notes, *deciding.notes])
    deciding = _with_news(deciding, config, owner)
    benchmark = None
    if config.benchmark:
        try:
            benchmark = bars_of([config.benchmark], config.match_timeframe or config.timeframe, deciding.sources)
        except InputError as error:
            raise InputError(Fault("benchmark", f.code, f.message, f.hint) for f in error.faults) from None
    return Inputs(deciding, matching, benchmark)


def _with_news(loaded: LoadedBars, config: RunConfig, owner: User) -> LoadedBars:
    """The bars with the news that the strategy reads, which count in what the run was made of."""
    strategy = catalogue.get(config.strategy)(**config.strategy_parameters)
    bars = news_selectors.with_news(strategy.extras(), loaded.bars, owner.pk)
    news = fingerprint(bars)
    return replace(loaded, bars=bars, data_hash=records.data_hash((loaded.data_hash, news))) if news else loaded
