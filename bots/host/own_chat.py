"""What a bot's own Telegram chat is told, beside its owner's channels: what goes wrong, and its trades if wanted."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.reporters import Reporter
from accounts.services.notifications import channel, send_by
from bots import selectors
from bots.host.instants import Done
from bots.host.runner import Runner
from bots.models import BotSecrets, Trade


def reporters(runner: Runner) -> Iterator[Reporter]:
    """The bot's own chat, where it has one. Nothing is read before the first is asked for."""
    row = selectors.own_chat(runner.session.bot_id)
    if row is not None:
        yield _reporter(row)


def tell_trades(runner: Runner, done: Done) -> None:
    """Write the fills of one instant to the bot's chat, if its owner wants that. What was caught up on is old news."""
    if runner.session.bot_id is None or not done.write.trades or (done.instant and done.instant.backfilled):
        return
    row = selectors.own_chat(runner.session.bot_id)
    if row is None or not row.telegram_trades:
        return
    session = runner.session
    for trade in done.write.trades:
        send_by(
            [_reporter(row)],
            session.owner,
            "trade_executed",
            level="info",
            title=_words(trade),
            text=str(session),
            link=f"/sessions/{session.pk}/",
            session_id=session.pk,
        )


def _reporter(row: BotSecrets) -> Reporter:
    return channel("telegram", row.telegram_chat_id, row.telegram_token)


def _words(trade: Trade) -> str:
    words = f"{trade.side} {trade.qty.normalize():f} {trade.symbol} at {trade.px.normalize():f}"
    return words if trade.realised_pnl is None else f"{words}, P&L {trade.realised_pnl:+.2f}"
