"""`manage.py create_demo_bot`: a bot on a made-up market, so that a first look at the pages shows one alive."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from bots.models import Bot
from bots.services import bots

CONFIG = {
    "name": "Demo: crossover",
    "description": "Trades a SYNTHETIC market, made up from a seed. Nothing about profit can be learned from it.",
    "capital": 100_000,
    "symbols": ["SIM-ALPHA", "SIM-BETA"],
    "timeframe": "1s",
    "strategy": "ma_crossover",
    "strategy_parameters": {"fast_window": 5, "slow_window": 20, "min_strength_threshold": 0.0},
    "settings": {"stop_loss_pct": 0.3, "take_profit_pct": 0.6, "position_size_value": 20.0},
    "feed": "synthetic",
    "feed_options": {"seed": 1, "ticks_per_s": 2},
}


class Command(BaseCommand):
    help = "Make the demo user's bot on a synthetic market and start it. Where the bot exists nothing is changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="demo")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']}; make one with create_demo_user first.")
        if Bot.objects.filter(owner=user, is_demo=True).exists():
            self.stdout.write("The demo bot exists.")
            return
        bot = bots.create(user, CONFIG)
        Bot.objects.filter(pk=bot.pk).update(is_demo=True)
        session, _ = bots.start(user, bot.pk, {"confirm_cautions": True})
        self.stdout.write(f"Demo bot {bot.name!r}: session {session.pk} begins with the first start.")
