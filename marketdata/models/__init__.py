"""What is traded, on which exchange hours, which bars of it we hold, who brought them, and the news."""

from marketdata.models.calendar import ExchangeSession
from marketdata.models.coverage import Coverage
from marketdata.models.data_import import DataImport
from marketdata.models.instrument import CorporateAction, Instrument
from marketdata.models.news import NewsItem
from marketdata.models.watchlist import Watchlist

__all__ = ["CorporateAction", "Coverage", "DataImport", "ExchangeSession", "Instrument", "NewsItem", "Watchlist"]
