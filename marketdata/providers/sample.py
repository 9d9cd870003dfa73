"""Real daily prices of five US stocks, 2000-03-01 to 2013-03-01, as shipped in the bokeh-sampledata package.

The file holds raw open, high, low, close and volume, and the source's (Quandl WIKI) adjusted close. What the ratio
adjusted ÷ raw close tells, and what it does not:

- It is constant between corporate actions and steps at each ex-date by r = factor before ÷ factor after.
- WIKI divides by c ÷ (c + D), where c is the close OF the ex-date. So D = c × (1/r − 1) comes out in whole cents for
  every one of the dividends in the file, which is how we know that the rule is right. We keep r as the source's
  factor, so that our adjusted closes are the file's own up to one constant.
- A step that is an exact ratio of small whole numbers (2:1 …) is a split. A cash dividend that moved the factor by such
  a ratio could not be told from it; none in the file does.
- Two payments on one day are one step: MSFT's 3.08 of 2004-11-15 is the special 3.00 and the regular 0.08.
- The factor of the LAST row is not 1 (AAPL 0.1304, MSFT 0.8832, GOOG 0.5015): actions after the file's end, which are
  in there as one product and cannot be taken apart (AAPL's holds the 7-for-1 split of 2014). We drop it.
- Actions on or before the first day cannot be seen. Payment dates, currencies and the kind of dividend are not there.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marketdata.adjust import Action
from marketdata.columns import DAY, BarColumns
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.quality import Quote

_NAMES = {
    "AAPL": ("Apple Inc.", "NASDAQ"),
    "FB": ("Facebook Inc.", "NASDAQ"),
    "GOOG": ("Google Inc., class A", "NASDAQ"),
    "IBM": ("International Business Machines", "NYSE"),
    "MSFT": ("Microsoft Corporation", "NASDAQ"),
}
_NOTE = (
    "Real daily prices up to 2013-03-01 (Quandl WIKI, public domain). "
    "Dividends and splits were found from the source's adjusted close."
)
_STEP = 1e-9
"""Relative change of the factor that counts as an action; rounding noise in the file stays below 1e-12."""


@lru_cache(maxsize=1)
def _read() -> dict[str, tuple[BarColumns, NDArray[np.float64]]]:
    """Symbol → (raw bars, adjusted closes)."""
    spec = find_spec("bokeh_sampledata")
    if spec is None or spec.origin is None:
        raise ProviderError("the package bokeh-sampledata is not installed", retryable=False)
    rows: dict[str, list[list[str]]] = {}
    with gzip.open(Path(spec.origin).parent / "_data" / "stocks.csv.gz", "rt", encoding="ascii", newline="") as handle:
        reader = csv.reader(handle)
        header = next(reader)
        if header != ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]:
            raise ProviderError(f"the sample file has other columns than expected: {header}", retryable=False)
        for row in reader:
            rows.setdefault(row[0], []).append(row)
    series = {}
    for symbol, lines in rows.items():
        table = np.array([line[2:] for line in lines], dtype=np.float64).T
        ts = np.array([line[1] for line in lines], dtype="datetime64[D]").astype(np.int64) * DAY
        series[symbol] = (BarColumns(ts, *(np.ascontiguousarray(column) for column in table[:5])), table[5])
    return series


class SampleProvider(Provider):
    """The packaged daily prices. Needs no network and no key."""

    source = "sample"
    capabilities = Capabilities(
        timeframes=("1d",), first=date(2000, 3, 1), last=date(2013, 3, 1), quotes=True, corporate_actions=True
    )

    def instruments(self) -> Sequence[Listing]:
        return [Listing(symbol, name, venue, notes=_NOTE) for symbol, (name, venue) in _NAMES.items()]

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.check_timeframe(timeframe)
        return self._series(symbol)[0].between(start_ns, end_ns)

    def actions(self, symbol: str) -> Sequence[Action]:
        bars, adjusted = self._series(symbol)
        factor = adjusted / bars.close
        steps = factor[:-1] / factor[1:]
        found = []
        for i in np.flatnonzero(np.abs(steps - 1.0) > _STEP).tolist():
            ex_date = date(1970, 1, 1).fromordinal(date(1970, 1, 1).toordinal() + int(bars.ts[i + 1] // DAY))
            ratio = float(steps[i])
            split = _small_ratio(ratio)
            if split is not None:
                found.append(Action(ex_date, split=split))
            else:
                amount = round(float(bars.close[i + 1]) * (1.0 / ratio - 1.0), 4)
                found.append(Action(ex_date, dividend=amount, price_factor=ratio))
        return found

    def adjusted_close(self, symbol: str) -> NDArray[np.float64]:
        """The source's own adjusted closes (they include actions after the file's end)."""
        return self._series(symbol)[1]

    def quote(self, symbol: str) -> Quote | None:
        """The last close of the file, with its date as time. Bid and ask are not known."""
        bars = self._series(symbol)[0]
        change = (float(bars.close[-1]) / float(bars.close[-2]) - 1.0) * 100.0
        return Quote(symbol, int(bars.ts[-1]), float(bars.close[-1]), volume=float(bars.volume[-1]), change_pct=change)

    def _series(self, symbol: str) -> tuple[BarColumns, NDArray[np.float64]]:
        try:
            return _read()[symbol]
        except KeyError:
            raise ProviderError(f"the sample has no {symbol}, only {', '.join(_NAMES)}", retryable=False) from None


def _small_ratio(factor: float) -> float | None:
    """New shares per old when `factor` = old ÷ new is exactly a ratio of whole numbers up to 20; else None."""
    for old in range(1, 21):
        new = round(old / factor)
        if 1 <= new <= 20 and new != old and abs(factor * new / old - 1.0) < _STEP:
            return new / old
    return None
