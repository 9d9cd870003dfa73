"""What every live feed offers, and what it may ask of the hub that runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol

from engine.exchange import ROUND_THE_CLOCK
from marketdata.columns import SECOND, BarColumns
from marketdata.feeds.types import ClosedBar, Tick


class FeedError(Exception):
    """The connection is lost or refused. `message` is for the user: plain words, no keys, no addresses.

    retryable: the same may succeed later (network, rate limit), as opposed to a wrong key or an unknown symbol.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Sink(Protocol):
    """Where a running feed puts what it gets. All but `drained` are quick and raise nothing."""

    def connected(self) -> None:
        """The provider has accepted us; from now on data comes."""
        ...

    def tick(self, tick: Tick) -> None: ...

    def bars(self, bars: Sequence[ClosedBar]) -> None:
        """Bars of the feed's own timeframe that closed at one instant, of all its symbols."""
        ...

    def heard(self) -> None:
        """Something came that is neither: the connection is not silent."""
        ...

    def correct(self, bar: ClosedBar) -> None:
        """A bar that was given before has other values now. Nobody decides on it again."""
        ...

    def halt(self, symbol: str, reason: str) -> None:
        """The exchange does not trade it now, because of `reason`; empty: it trades again."""
        ...

    def refuse(self, symbols: Iterable[str], reason: str) -> None:
        """The provider gives none of these, and says why: whoever listens to one of them has no feed."""
        ...

    def advance(self, until_ns: int) -> None:
        """Nothing that lies before `until_ns` on the feed's clock comes any more: bars that end there are closed."""
        ...

    async def drained(self) -> None:
        """Returns when every listener takes more. A replay awaits it before each instant; a live feed cannot wait."""
        ...


class Feed(ABC):
    """One connection to one provider, for any number of symbols.

    timeframe: of the bars it gives, None if it gives ticks. One that gives bars may give ticks too: they are prices to
    look at, and make no bars. grace_ns: for how long after a bar's end (feed's clock)
    ticks of it may still come. silence_ns: after how long without data in an open market something is wrong; None:
    never. may_lose: bars can get lost on the way, so a missing one is asked for again. jump_ratio: see `BarGate`.
    """

    provider: str
    timeframe: str | None = None
    grace_ns: int = 0
    silence_ns: int | None = 2 * SECOND
    may_lose: bool = True
    jump_ratio: float | None = None

    @property
    def base_timeframe(self) -> str:
        """The finest bars that can be made of it: one second from ticks."""
        return self.timeframe or "1s"

    @abstractmethod
    async def run(self, sink: Sink) -> None:
        """Push what comes into `sink` until cancelled, or return when there is nothing more.

        May be called again after it raised. Raises FeedError.
        """

    @abstractmethod
    async def backfill(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """Closed bars that open in [start_ns, end_ns): exactly those that the feed gave or would have given.

        Days of an exchange open at their label, midnight UTC. Bars that have not ended on the feed's clock are left
        out; those that ended just now are waited for. A feed of ticks gives 1s and 1m too. Raises FeedError.
        """

    @abstractmethod
    def now(self) -> int:
        """The feed's own clock, ns UTC: wall time for a live feed, market time for a replay."""

    def watermark(self) -> int:
        """Everything before this instant (ns UTC, feed's clock) has been pushed, as far as the feed can know."""
        return self.now() - self.grace_ns

    async def prepare(self, symbols: Iterable[str]) -> None:  # noqa: B027 - a feed that knows all needs none of it
        """Get ready what `calendar` and `subscribe` need to know of new symbols. Raises InputError, FeedError."""

    def calendar(self, symbol: str) -> str:
        """The exchange calendar of a prepared symbol."""
        return ROUND_THE_CLOCK

    @abstractmethod
    def subscribe(self, symbols: Iterable[str]) -> None:
        """Give these too, from `now()` on. At any time; prepared before; naming one twice changes nothing."""

    @abstractmethod
    def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Give these no more."""

    def resume(self, after_ns: int) -> None:  # noqa: B027 - a live feed cannot go back
        """Before the first `run`: the listeners have everything up to `after_ns`. Only a replay can make use of it."""
