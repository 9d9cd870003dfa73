"""`manage.py bot --bot-id N`: start a bot's session from the command line, or stop, pause or show it.

The session is run by the hosts that `make run` starts, not by this command, which only writes down what is wanted.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bots import selectors
from bots.models import Bot, TradingSession
from bots.services import bots
from engine.errors import InputError
from tradingsite.lib.errors import ApiError


class Command(BaseCommand):
    help = "Start the session of a bot and print its state."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bot-id", type=int, required=True)
        parser.add_argument("--symbol", action="append", default=[], help="instead of the bot's; may be repeated")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--stop", action="store_true", help="stop it, as its stop policy says")
        what.add_argument("--pause", action="store_true", help="no new entries")
        what.add_argument("--resume", action="store_true", help="entries again")
        what.add_argument("--status", action="store_true", help="only show it")

    def handle(self, *args: Any, **options: Any) -> None:
        bot = Bot.objects.select_related("owner").filter(pk=options["bot_id"]).first()
        if bot is None:
            raise CommandError(f"There is no bot {options['bot_id']}.", returncode=2)
        try:
            session = _act(bot, options)
        except InputError as error:
            lines = [f"{f.path or 'input'}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults]
            raise CommandError("\n".join(lines), returncode=2) from None
        except ApiError as refusal:
            raise CommandError(refusal.message, returncode=2) from None
        if session is None:
            self.stdout.write(f"bot {bot.pk}: no active session")
            return
        reason = f" ({session.state_reason})" if session.state_reason else ""
        self.stdout.write(
            f"session {session.pk}: {session.state}{reason}, wanted {session.wanted}, {', '.join(session.symbols)}, "
            f"{session.total_trades} closed, P&L {session.total_pnl:f}"
        )


def _act(bot: Bot, options: dict[str, Any]) -> TradingSession | None:
    if options["status"]:
        return selectors.active_of_bot(bot)
    if options["stop"]:
        return bots.stop(bot.owner, bot.pk)
    if options["pause"]:
        return bots.pause(bot.owner, bot.pk)
    if options["resume"]:
        return bots.resume(bot.owner, bot.pk)
    if bot.broker_account is not None and bot.broker_account.is_real_money:
        raise CommandError("A bot that trades real money is started on its page, or through the API.", returncode=2)
    sent = {"symbols": options["symbol"]} if options["symbol"] else {}
    session, _ = bots.start(bot.owner, bot.pk, sent)
    return session
