"""Bots that run in their window by themselves: started when it opens, ended when it closes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from accounts.models import BrokerAccount
from bots.models import Bot, TradingSession
from bots.schedule import NoCalendar, Window, window_at
from bots.services import sessions
from engine.errors import InputError
from engine.types import TIMEFRAMES
from marketdata.models import CalendarCopy, Instrument
from marketdata.zones import ALWAYS_OPEN, calendar_zone
from strategies import session_settings
from tradingsite.lib.errors import ApiError

log = logging.getLogger(__name__)

# An exit is decided at a bar's close and meets the next bar's open: both must lie before the exchange's close.
BARS_TO_FLATTEN = 2


def open_due(now: datetime) -> list[TradingSession]:
    """Start a session of each bot whose window is open and that has not been started in it; those that are new.

    A bot that cannot be started (its tier is full, its kill switch is on, its calendar is unknown) is logged and asked
    again at the next tick.
    """
    started = []
    real = BrokerAccount.Environment.LIVE  # somebody has to give the password
    for bot in Bot.objects.filter(run=Bot.Run.WINDOW).exclude(broker_account__environment=real).select_related("owner"):
        try:
            window = _window(bot, now)
            if window is None or bot.sessions.filter(created_at__gte=window.opens).exists():
                continue
            request = {"bot_id": bot.pk, "scheduled_end_time": _end(bot, window).isoformat(), "confirm_cautions": True}
            session, is_new = sessions.start(bot.owner, request, f"window-{bot.pk}-{window.opens:%Y%m%dT%H%M%S}")
        except (ApiError, InputError, NoCalendar) as refusal:
            log.warning("bot %s was not started in its window: %s", bot.pk, refusal)
            continue
        if is_new:
            TradingSession.objects.filter(pk=session.pk, wanted="RUN").update(stop_policy=bot.stop_policy)
            started.append(session)
    return started


def follow_hours(now: datetime) -> None:
    """Where an exchange has announced another close since a bot's session was started in its window, the session ends
    in time for that one."""
    if not CalendarCopy.objects.exclude(announced={}).exists():
        return
    going = TradingSession.objects.filter(state__in=TradingSession.ACTIVE, bot__run=Bot.Run.WINDOW)
    for session in going.exclude(wanted=TradingSession.Wanted.STOP).select_related("bot"):
        bot, planned = session.bot, session.scheduled_end_time
        if bot is None or planned is None or planned <= now:
            continue
        if not (session.idempotency_key or "").startswith(f"window-{bot.pk}-"):
            continue
        if not _is_announced(_calendar(bot), session.created_at):
            continue
        try:
            window = _window(bot, session.created_at)
        except (InputError, NoCalendar) as fault:
            log.warning("session %s: whether its window still ends at %s is not known: %s", session.pk, planned, fault)
            continue
        end = now if window is None else _end(bot, window)
        if end == planned:
            continue
        if TradingSession.objects.filter(pk=session.pk, scheduled_end_time=planned).update(scheduled_end_time=end):
            text = f"Its exchange has changed the hours of today: it ends at {end:%H:%M} UTC, not at {planned:%H:%M}."
            sessions.log(session, "state", text)
            sessions.nudge(session.pk)


def _window(bot: Bot, now: datetime) -> Window | None:
    return window_at(session_settings.clean(bot.settings), _calendar(bot), now)


def _end(bot: Bot, window: Window) -> datetime:
    if bot.stop_policy != TradingSession.StopPolicy.FLATTEN or _calendar(bot) == ALWAYS_OPEN:
        return window.closes
    bar_s = TIMEFRAMES[bot.match_timeframe or bot.timeframe] / 1e9
    return max(window.opens, window.closes - timedelta(seconds=BARS_TO_FLATTEN * bar_s))


def _is_announced(calendar: str, at: datetime) -> bool:
    """Whether that day's hours are others than they were known to be."""
    day = at.astimezone(calendar_zone(calendar)).date().isoformat()
    return CalendarCopy.objects.filter(calendar=calendar, announced__has_key=day).exists()


def _calendar(bot: Bot) -> str:
    """The one its hours are read on: an exchange's where one of its symbols is traded there."""
    source = bot.feed_options.get("source")
    if source is None:
        return ALWAYS_OPEN
    known = Instrument.objects.filter(symbol__in=bot.symbols, source=source).values_list("calendar", flat=True)
    return next((calendar for calendar in known if calendar != ALWAYS_OPEN), ALWAYS_OPEN)
