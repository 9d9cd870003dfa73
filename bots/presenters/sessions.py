"""A session as its card and the head of its page show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from bots import words
from bots.models import TradingSession
from bots.selectors import pages
from bots.selectors.pages import Left
from bots.states import OVER, SessionState
from marketdata.feeds.live import places
from marketdata.selectors import Confirmed, calendar_confirmed
from marketdata.zones import ALWAYS_OPEN

_S = SessionState
SECONDS = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
LATE_BARS, LATE_SECONDS = 2, 10
CLOCKED = (_S.RUNNING, _S.DEGRADED, _S.PAUSED)
MOST_SYMBOLS = 4
LIVE = ("alpaca", "polygon", "binance")  # feeds of vendors
# below so many seconds → (seconds in one, word)
AGES = ((90, (1, "s")), (5_400, (60, "min")), (172_800, (3_600, "h")), (math.inf, (86_400, "d")))
SPARK_WIDTH, SPARK_HEIGHT = 120.0, 36.0


class SessionHead:
    """What stands above everything else of a session: its state, what can be done with it, how far its stopping is."""

    def __init__(self, session: TradingSession, left: Left) -> None:
        self.session = session
        self.left = left
        self.stopping = session.is_active and session.wanted == TradingSession.Wanted.STOP
        self.is_over = session.state in OVER
        self.pausing = session.is_active and session.wanted == TradingSession.Wanted.PAUSE and not self.stopping

    @property
    def can_pause(self) -> bool:
        return self.session.is_active and self.session.wanted == TradingSession.Wanted.RUN

    @property
    def can_resume(self) -> bool:
        return self.session.is_active and self.session.wanted == TradingSession.Wanted.PAUSE

    @property
    def can_stop(self) -> bool:
        return (self.session.is_active and not self.stopping) or self.session.state == _S.HALTED

    @property
    def strategy(self) -> str:
        """The label of what it runs."""
        return self.session.strategy_label

    @property
    def symbols(self) -> str:
        """Its symbols, the first few by name."""
        return symbols_text(self.session.symbols)

    @property
    def hours(self) -> Confirmed | None:
        """How sure the exchange's hours are by which it runs; None where it runs by none, or is over."""
        session = self.session
        if self.is_over or session.feed not in LIVE:
            return None
        found = {places.calendar_of(symbol, session.feed) for symbol in session.symbols} - {ALWAYS_OPEN}
        return calendar_confirmed(found.pop(), timezone.now()) if found else None

    @property
    def stop_words(self) -> str:
        """How far its stopping is."""
        flatten = self.session.stop_policy == TradingSession.StopPolicy.FLATTEN
        held, orders = self.left.open_positions, self.left.working_orders
        positions = f"{held} position{'' if held == 1 else 's'} {'being closed' if flatten else 'kept'}"
        return f"{positions}, {orders} working order{'' if orders == 1 else 's'} left."

    @property
    def ended_words(self) -> str:
        """Why it ended; empty where nobody wrote it down."""
        code = self.session.stop_reason
        return words.plain(words.STOP_REASONS, code) if code else self.session.state_reason

    @property
    def stale_after(self) -> int | None:
        """Seconds without a bar after which its values are stale; None while none is due."""
        if self.session.state not in CLOCKED:
            return None
        options = self.session.feed_options
        pace = options.get("accelerate") or options.get("speed") or 1
        pace = float(pace) if isinstance(pace, int | float) and pace > 0 else 1.0
        return int(LATE_BARS * SECONDS.get(self.session.timeframe, 60) / pace) + LATE_SECONDS

    @property
    def heard_at(self) -> datetime | None:
        return getattr(self.session, "heard_at", None)

    @property
    def heard_words(self) -> str:
        """How old its values are, in the words that `js/freshness.js` goes on with."""
        if self.heard_at is None or self.stale_after is None:
            return "No bar yet"
        age = max(0.0, (timezone.now() - self.heard_at).total_seconds())
        unit = next((unit for limit, unit in AGES if age < limit), AGES[-1][1])
        return f"{'Stale: last' if age > self.stale_after else 'Last'} bar {age / unit[0]:.0f} {unit[1]} ago"

    @property
    def equity(self) -> Decimal:
        return pages.worth(self.session)

    @property
    def day_pnl(self) -> Decimal:
        return pages.day_pnl(self.session)

    @property
    def change(self) -> Decimal:
        return pages.total_change(self.session)

    @property
    def change_pct(self) -> float:
        return float(self.change / self.session.initial_cash * 100)


@dataclass(frozen=True, slots=True)
class Spark:
    """A line of equity marks in a box of 120 × 36; `points` is an SVG polyline's, `base` where it began."""

    points: str
    base: float
    words: str


@dataclass(frozen=True)
class Card:
    """A session's card: its head, and its equity as a small line (None before the second mark)."""

    head: SessionHead
    marks: Sequence[float] = field(default_factory=tuple)

    @property
    def session(self) -> TradingSession:
        return self.head.session

    @property
    def spark(self) -> Spark | None:
        if len(self.marks) < 2:
            return None
        low, high = min(self.marks), max(self.marks)
        room = (high - low) or 1.0
        step = SPARK_WIDTH / (len(self.marks) - 1)
        heights = [SPARK_HEIGHT - 2 - (mark - low) / room * (SPARK_HEIGHT - 4) for mark in self.marks]
        points = " ".join(f"{place * step:.1f},{height:.1f}" for place, height in enumerate(heights))
        return Spark(points, round(heights[0], 1), f"Equity from {self.marks[0]:,.2f} to {self.marks[-1]:,.2f}")


def heads(sessions: Sequence[TradingSession]) -> list[SessionHead]:
    """The head of each. Two queries for all of them."""
    left = pages.left_at_venue(sessions)
    return [SessionHead(session, left[session.pk]) for session in sessions]


def cards(sessions: Sequence[TradingSession]) -> list[Card]:
    """The card of each. Four queries for all of them."""
    marks = pages.sparklines(sessions)
    return [Card(head, marks.get(head.session.pk, ())) for head in heads(sessions)]


def symbols_text(symbols: Sequence[str]) -> str:
    """``A, B, C, D and 3 more``."""
    shown = ", ".join(symbols[:MOST_SYMBOLS])
    return f"{shown} and {len(symbols) - MOST_SYMBOLS} more" if len(symbols) > MOST_SYMBOLS else shown
