"""How sessions, orders and what becomes of signals are written on pages."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import BrokerAccount, User
from bots import words
from bots.models import Order, TradingSession
from bots.selectors.brokers import environments_of_live
from tradingsite.lib.templatetags.ui import icon

register = template.Library()

# state → (word, kind of pill, icon): a state is told by word and icon, the colour only helps
SESSION_STATES: dict[str, tuple[str, str, str]] = {
    "DRAFT": ("Draft", "", "edit"),
    "SCHEDULED": ("Starting", "info", "clock"),
    "CLAIMED": ("Starting", "info", "clock"),
    "RECONCILING": ("Checking the ledger", "info", "clock"),
    "WARMING": ("Loading history", "info", "clock"),
    "RUNNING": ("Running", "good", "play"),
    "DEGRADED": ("Running, no entries", "warn", "warn"),
    "PAUSED": ("Paused", "warn", "pause"),
    "STOPPING": ("Stopping", "warn", "clock"),
    "STOPPED": ("Stopped", "", "stop"),
    "HALTED": ("Halted", "bad", "error"),
    "FAILED": ("Failed", "bad", "error"),
    "ORPHANED": ("Host lost, recovering", "warn", "repeat"),
}
ORDER_KINDS = {"pending": "info", "active": "good", "closed": ""}
ORDER_ICONS = {"FILLED": "check", "DENIED": "error", "REJECTED": "error", "CANCELED": "close", "EXPIRED": "clock"}


@register.simple_tag
def session_pill(session: TradingSession) -> SafeString:
    """The session's state as word, icon and colour; a completed one is told apart from a stopped one."""
    word, kind, icon_name = SESSION_STATES[session.state]
    if session.word == "COMPLETED":
        word, icon_name = "Completed", "check"
    elif session.is_active and session.wanted == TradingSession.Wanted.STOP:
        word, kind, icon_name = SESSION_STATES["STOPPING"]
    return format_html(
        '<span class="pill{}" data-testid="session-state" data-state="{}">{}<span>{}</span></span>',
        f" pill-{kind}" if kind else "",
        session.state,
        icon(icon_name),
        word,
    )


@register.simple_tag
def order_pill(order: Order) -> SafeString:
    """The order's state as word, icon and colour."""
    kind = "bad" if order.state in ("DENIED", "REJECTED") else ORDER_KINDS[order.group]
    drawn = icon(ORDER_ICONS.get(order.state, "clock"))
    css = f" pill-{kind}" if kind else ""
    return format_html('<span class="pill{}">{}{}</span>', css, drawn, Order.State(order.state).label)


@register.simple_tag
def mode_badge(session: TradingSession) -> SafeString:
    """PAPER, or LIVE with what money it is; real money is told by word, colour and border."""
    if session.broker_account is None:
        return format_html('<span class="mode mode-paper">{}</span>', session.mode)
    return account_mode(session.broker_account)


@register.simple_tag
def account_mode(account: BrokerAccount) -> SafeString:
    """The badge of whatever trades LIVE on this account."""
    return _live_badge(account.environment)


@register.simple_tag
def trading_mode(user: User) -> SafeString:
    """The badge of the frame: what the most dangerous session of this user trades with."""
    environments = environments_of_live(user)
    for environment in ("LIVE", "PAPER", "PRACTICE"):
        if environment in environments:
            return _live_badge(environment)
    return format_html('<span class="mode mode-paper" title="{}">PAPER</span>', words.ALL_PAPER)


@register.simple_tag
def money_badge(account: BrokerAccount) -> SafeString:
    """What money is on this account."""
    return _badge(account.environment, "")


def _live_badge(environment: str) -> SafeString:
    return _badge(environment, "LIVE · ")


def _badge(environment: str, before: str) -> SafeString:
    word, text = words.MONEY[environment]
    css = "live" if environment == "LIVE" else "practice"
    return format_html('<span class="mode mode-{}" title="{}">{}{}</span>', css, text, before, word)


@register.simple_tag
def feed_label(feed: str) -> SafeString:
    """Where the prices come from; made-up ones are always called so."""
    word = words.FEEDS.get(feed, feed)
    title = "These prices are made up. They say nothing about any market." if feed == "synthetic" else ""
    return format_html('<span class="tag tag-{}" title="{}">{}</span>', feed, title, word.upper())


@register.filter
def reason(code: str) -> str:
    """Why an order existed, in words."""
    return words.plain(words.REASONS, code) if code else "–"


@register.filter
def outcome(code: str) -> str:
    """What became of a symbol on a bar, in words."""
    return words.plain(words.OUTCOMES, code)


@register.filter
def difference(label: str) -> str:
    """A label of a parity report in words."""
    return words.plain(words.DIFFERENCES, label)


@register.filter
def gate(name: str) -> str:
    """A gate of a decision as a heading: ``min_confidence`` → ``Min confidence``."""
    return name.replace("_", " ").capitalize()


@register.filter
def sentence(text: str) -> str:
    """A reason as rows have it, as a sentence: ``the feed is silent`` → ``The feed is silent.``"""
    plain = text.strip()
    return f"{plain[0].upper()}{plain[1:]}{'' if plain[-1] in '.!?' else '.'}" if plain else ""


@register.filter
def figure(value: object) -> str:
    """A value of a gate or an input as it is, numbers with eight digits at most."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.8g}" if isinstance(value, float) else str(value)


@register.filter
def side_word(side: str) -> str:
    """Long or short, for a position; its arrow comes with it."""
    return "▲ Long" if side == "BUY" else "▼ Short"


@register.filter
def order_side(side: str) -> str:
    """Buy or sell, with its arrow."""
    return "▲ Buy" if side == "BUY" else "▼ Sell"
