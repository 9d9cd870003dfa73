"""`manage.py venue`: a practice venue on loopback, to rehearse live trading against before any key is entered."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bots.practice.keeping import Keeper, KeptElsewhere
from bots.practice.orders import Account, Instrument
from bots.practice.server import Venue
from bots.practice.serving import config, serve, tcp_socket
from marketdata.feeds.synthetic import NAMED

COIN_STEP, COIN_FEE = Decimal("0.0001"), Decimal("0.0025")


class Command(BaseCommand):
    help = "An exchange on this machine that speaks Alpaca's protocols, with made-up prices and play money."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8310, help="where it listens")
        parser.add_argument("--host", default="127.0.0.1", help="anything but loopback lets everybody there steer it")
        parser.add_argument("--no-account", action="store_true", help="open none; the site opens them")
        parser.add_argument(
            "--symbols",
            default=",".join(NAMED),
            help="what trades there, by commas; BTC/USD is a coin, the rest stocks",
        )
        parser.add_argument("--cash", type=Decimal, default=Decimal(100_000), help="of the account that it opens")
        parser.add_argument("--key", default="", help="the account's key; one is drawn where none is given")
        parser.add_argument("--secret", default="", help="and its secret")
        parser.add_argument("--seed", type=int, help="of the made-up market")
        parser.add_argument("--exchange-hours", action="store_true", help="stocks trade in New York's hours only")
        parser.add_argument(
            "--ledger",
            default=str(settings.VAR_DIR / "practice" / "ledger.sqlite"),
            help="the file that keeps accounts, orders and money over restarts; '' keeps nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        symbols = [name.strip().upper() for name in options["symbols"].split(",") if name.strip()]
        if not symbols or options["cash"] <= 0:
            raise CommandError("Name at least one symbol, and cash above 0.")
        try:
            keeper = Keeper(Path(options["ledger"])) if options["ledger"] else None
        except (KeptElsewhere, OSError) as error:
            raise CommandError(f"{error} Name another one by --ledger.") from None
        symbols += sorted(keeper.symbols() - set(symbols)) if keeper else []
        venue = Venue(
            [instrument(symbol, options["exchange_hours"]) for symbol in symbols],
            always_open=not options["exchange_hours"],
            seed=options["seed"],
            keeper=keeper,
        )
        account = None
        if not options["no_account"]:
            account = _account(venue, options["key"], options["secret"], options["cash"])
        with contextlib.closing(tcp_socket()) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((options["host"], options["port"]))
            except OSError as error:
                raise CommandError(f"Port {options['port']} is not free ({error}); choose another by --port.") from None
            address = f"{options['host']}:{listening.getsockname()[1]}"
            self.stdout.write(f"The practice venue listens on http://{address} until you press Ctrl-C.")
            self.stdout.write(f"  symbols  {', '.join(symbols)}")
            if account is not None:
                self.stdout.write(f"  key      {account.key}\n  secret   {account.secret}")
            self.stdout.write(
                f"  trading  http://{address} and ws://{address}/stream\n  ledger   http://{address}/practice/ledger"
            )
            self.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(serve(uvicorn.Server(config(venue)), venue, [listening]))


def _account(venue: Venue, key: str, secret: str, cash: Decimal) -> Account:
    """The account of that key; without one the first that the ledger has; a new one where there is none.

    Raises CommandError for the wrong secret.
    """
    kept = venue.exchange.accounts
    found = kept.get(key) if key else next(iter(kept.values()), None)
    if found is None:
        return venue.open_account(key or f"PK{secrets.token_hex(9).upper()}", secret or secrets.token_hex(20), cash)
    if secret and secret != found.secret:
        raise CommandError(f"The ledger has an account {found.key} with another secret; name another key or ledger.")
    return found


def instrument(symbol: str, exchange_hours: bool) -> Instrument:
    """A stock, or a coin where there is a slash in its name."""
    if "/" in symbol:
        base, _, quote = symbol.partition("/")
        return Instrument(
            symbol, "crypto", tick=Decimal("0.01"), lot=COIN_STEP, fee_ratio=COIN_FEE, base=base, quote=quote
        )
    return Instrument(symbol, calendar="XNYS" if exchange_hours else "24/7")
