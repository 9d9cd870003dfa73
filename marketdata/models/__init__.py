"""What is traded, on which exchange hours, which bars of it we hold, who brought them, how good they are, the news."""

from marketdata.models.calendar import CalendarCopy, ExchangeSession
from marketdata.models.coverage import Coverage
from marketdata.models.data_import import DataImport
from marketdata.models.health import Refetch, Revision, SourceComparison
from marketdata.models.instrument import CorporateAction, Instrument
from marketdata.models.news import NewsItem
from marketdata.models.usage import ProviderUsage, SourceChoice, SourceRule
from marketdata.models.watchlist import Watchlist

__all__ = [
    "CalendarCopy",
    "CorporateAction",
    "Coverage",
    "DataImport",
    "ExchangeSession",
    "Instrument",
    "NewsItem",
    "ProviderUsage",
    "Refetch",
    "Revision",
    "SourceChoice",
    "SourceComparison",
    "SourceRule",
    "Watchlist",
]
