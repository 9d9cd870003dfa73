"""Bots, trading sessions, and all that a session leaves behind."""

from bots.models.bot import Bot
from bots.models.columns import Mode, Side
from bots.models.live import Adjustment, BrokerExecution, CashFlow, Discrepancy
from bots.models.records import (
    Cycle,
    DailyStats,
    Decision,
    ParityReport,
    PortfolioSnapshot,
    SessionEvent,
)
from bots.models.secrets import BotSecrets
from bots.models.session import HostSign, SessionCommand, SessionMemory, SessionSettings, TradingSession
from bots.models.subaccounts import BookingRequest, BrokerHolding, CashCheckpoint
from bots.models.template import BotTemplate
from bots.models.trading import Order, OrderRole, PaperOrder, Position, Trade

__all__ = [
    "Adjustment",
    "BookingRequest",
    "Bot",
    "BotSecrets",
    "BotTemplate",
    "BrokerExecution",
    "BrokerHolding",
    "CashCheckpoint",
    "CashFlow",
    "Cycle",
    "DailyStats",
    "Decision",
    "Discrepancy",
    "HostSign",
    "Mode",
    "Order",
    "OrderRole",
    "PaperOrder",
    "ParityReport",
    "PortfolioSnapshot",
    "Position",
    "SessionCommand",
    "SessionEvent",
    "SessionMemory",
    "SessionSettings",
    "Side",
    "Trade",
    "TradingSession",
]
