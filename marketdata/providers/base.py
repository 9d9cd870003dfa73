"""What every source of prices offers, and nothing that only one of them has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from marketdata.adjust import Action
from marketdata.columns import BarColumns
from marketdata.quality import Quote


class ProviderError(Exception):
    """The source could not answer. `message` says what happened in plain words, without keys or addresses.

    `retryable`: the same request may succeed later (network, rate limit), as opposed to an unknown symbol.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Unavailable(ProviderError):
    """The plan of the key does not include it, whatever is tried."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can be asked for.

    timeframes: those it gives itself (coarser ones are made from them by resampling). first, last: the days it has;
    None means that only the answer tells. refetches: missing ranges can be fetched at any time (a file was read once).
    unstored: timeframes that are asked for anew each time. What is stored is one piece, so that two requests far apart
    would have to fetch all between them, which is too much of these.
    """

    timeframes: tuple[str, ...]
    unstored: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    refetches: bool = True
    network: bool = False
    quotes: bool = False
    corporate_actions: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument as a provider describes it; the fields are those of `marketdata.models.Instrument`."""

    symbol: str
    name: str = ""
    venue: str = ""
    calendar: str = "XNYS"
    currency: str = "USD"
    tick_size: str = "0.01"
    lot_size: str = "1"
    fractionable: bool = False
    notes: str = ""


class Provider(ABC):
    """One source of prices. Prices are raw (as traded); corporate actions come apart from them."""

    source: str
    capabilities: Capabilities

    @abstractmethod
    def instruments(self) -> Sequence[Listing]:
        """What can be listed without a search; empty when the source has no list."""

    @abstractmethod
    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """Raw bars that start in [start_ns, end_ns) ns UTC, sorted; empty when there are none.

        Raises ProviderError for an unknown symbol, a timeframe that is not in `capabilities`, or a source that fails.
        """

    def actions(self, symbol: str) -> Sequence[Action]:
        """Known splits and dividends by ex-date, one of each kind a day; empty when the source has none.

        Amounts as they were paid. Raises ProviderError; Unavailable where the key's plan does not tell.
        """
        return ()

    def quote(self, symbol: str) -> Quote | None:
        """The latest quote, or None when the source has no quotes."""
        return None

    @property
    def budget_scope(self) -> str:
        """The name of the budget that its requests are counted in (`marketdata.budget`); empty without a network."""
        return ""

    def check_timeframe(self, timeframe: str) -> None:
        """Raises ProviderError unless the provider gives this timeframe itself."""
        if timeframe not in self.capabilities.timeframes:
            raise ProviderError(
                f"{self.source} has no {timeframe} bars, only {', '.join(self.capabilities.timeframes)}",
                retryable=False,
            )
