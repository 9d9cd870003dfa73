"""A file as a provider: what an upload or the command line brings, through the same interface as a feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from marketdata.columns import DAY, BarColumns
from marketdata.files import FileReading
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError


class FileProvider(Provider):
    """Serves the bars of one read file. It cannot be asked again later: what a file lacks, nobody has."""

    source = "file"

    def __init__(self, reading: FileReading, *, calendar: str = "XNYS") -> None:
        self._series: Mapping[str, BarColumns] = reading.series
        self._calendar = calendar
        starts = [int(c.ts[0]) for c in self._series.values()]
        ends = [int(c.ts[-1]) for c in self._series.values()]
        epoch = date(1970, 1, 1).toordinal()
        self.capabilities = Capabilities(
            timeframes=(reading.timeframe,),
            first=date.fromordinal(epoch + min(starts) // DAY),
            last=date.fromordinal(epoch + max(ends) // DAY),
            refetches=False,
        )

    def instruments(self) -> Sequence[Listing]:
        return [Listing(symbol, calendar=self._calendar) for symbol in self._series]

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.check_timeframe(timeframe)
        if symbol not in self._series:
            raise ProviderError(f"the file has no {symbol}, only {', '.join(self._series)}", retryable=False)
        return self._series[symbol].between(start_ns, end_ns)
