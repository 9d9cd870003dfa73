"""What people type about the gallery: its filters in the address, the form that publishes, ratings and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from engine.errors import Fault
from marketdata.models.instrument import Source
from strategies.gallery import markets, selectors, shown
from strategies.gallery.models import Publication
from strategies.run_form import TIMEFRAME_LABELS

STARS = ((0, "Any"), (3, "3 and more"), (4, "4 and more"))


@dataclass(frozen=True, slots=True)
class GalleryFilter:
    """The filters of the list as the address has them; what it does not know counts as not set."""

    q: str = ""
    kind: str = ""
    market: str = ""
    stars: int = 0
    sort: str = selectors.DEFAULT_SORT

    @classmethod
    def from_query(cls, sent: QueryDict) -> GalleryFilter:
        stars = sent.get("stars", "")
        return cls(
            q=sent.get("q", "").strip().replace("\x00", "")[:60],
            kind=_known(sent.get("kind"), dict(shown.kinds()), ""),
            market=_known(sent.get("market"), Source.values, ""),
            stars=int(stars) if stars in {str(number) for number, _ in STARS} else 0,
            sort=_known(sent.get("sort"), selectors.SORTS, selectors.DEFAULT_SORT),
        )

    @property
    def is_set(self) -> bool:
        return bool(self.q or self.kind or self.market or self.stars)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return shown.kinds()

    @property
    def markets(self) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in Source.choices]

    @property
    def all_stars(self) -> tuple[tuple[int, str], ...]:
        return STARS

    @property
    def sorts(self) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in selectors.SORTS.items()]


class PublishForm:
    """What stands in the form that publishes: `values` and `errors` by field name."""

    FIELDS = ("description", "source", "symbols", "timeframe")

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.errors: dict[str, str] = {}
        self.other_errors: list[str] = []

    @classmethod
    def of(cls, description: str, publication: Publication | None, default: markets.Market) -> PublishForm:
        """As it is published, or with what would be published."""
        market = markets.of(publication) if publication is not None else default
        symbols = " ".join(market.symbols)
        return cls(
            {"description": description, "source": market.source, "symbols": symbols, "timeframe": market.timeframe}
        )

    @classmethod
    def from_request(cls, sent: QueryDict) -> PublishForm:
        return cls({name: sent.get(name, "").strip() for name in cls.FIELDS})

    def payload(self) -> dict[str, Any]:
        """The body of POST …/publish."""
        symbols = [part.upper() for part in re.split(r"[\s,;]+", self.values["symbols"]) if part]
        body: dict[str, Any] = {name: value for name, value in self.values.items() if value and name != "symbols"}
        return body | {"description": self.values["description"], **({"symbols": symbols} if symbols else {})}

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to its field; the first of a field stands."""
        for fault in faults:
            name = re.sub(r"\[\d+\].*", "", fault.path)
            words = " ".join(part.rstrip(".") + "." for part in (fault.message, fault.hint) if part)
            if name in self.FIELDS:
                self.errors.setdefault(name, words)
            else:
                self.other_errors.append(words)

    @property
    def source_choices(self) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in Source.choices]

    @property
    def timeframe_choices(self) -> list[tuple[str, str]]:
        return [(name, TIMEFRAME_LABELS[name]) for name in markets.TIMEFRAMES]


def _known(value: str | None, known: Iterable[str], default: str) -> str:
    return value if value is not None and value in set(known) else default
