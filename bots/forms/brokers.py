"""The forms of accounts at brokers. Keys are never shown again, not even after a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from accounts.forms import AccessibleForm, password_again
from accounts.models import BrokerAccount
from accounts.services.brokers.cleaning import ENVIRONMENTS, MAX_KEY, MAX_NAME, OPTIONS
from accounts.services.brokers.practice import MAX_CASH, MIN_CASH
from engine.errors import InputError
from tradingsite.lib.errors import ApiError

Environment, Kind = BrokerAccount.Environment, BrokerAccount.Kind
# kind → (title, what it is, where its keys come from)
KINDS: dict[str, tuple[str, str, str]] = {
    Kind.ALPACA: (
        "Alpaca",
        "US stocks and coins. It has a paper network of its own.",
        "In Alpaca’s dashboard choose Paper or Live, then “API Keys” → “Generate”. Each has keys of its own; "
        "neither can withdraw.",
    ),
    Kind.BINANCE: (
        "Binance",
        "Coins, spot only. It has a test network of its own.",
        "In Binance: “API Management” → “Create”. Allow reading and spot trading, nothing else: keys that may withdraw "
        "are refused here. The test network’s keys come from testnet.binance.vision.",
    ),
    Kind.CCXT: (
        "Another exchange",
        "Any exchange that the ccxt library speaks to, such as Kraken or OKX.",
        "Make a pair of keys on the exchange’s own page. Allow reading and trading, never withdrawing.",
    ),
}
ENVIRONMENT_TEXTS = {
    Environment.PAPER: ("No real money", "The broker’s own paper or test network: real prices, play money."),
    Environment.LIVE: ("Real money", "Orders are real, and so are losses."),
}


def _secret(label: str) -> forms.CharField:
    hidden = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(label=label, max_length=MAX_KEY, widget=hidden)


class _WithPassword(AccessibleForm):
    """Asks for the password, too, where it was not given lately. Subclasses put it last."""

    password = password_again(help_text="Once more, because five minutes have passed since you gave it")

    def __init__(self, *args: Any, fresh: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if fresh:
            del self.fields["password"]


class BrokerAccountForm(_WithPassword):
    """A new account of one kind."""

    name = forms.CharField(label="Your name for it", max_length=MAX_NAME, help_text="Seen by you only")
    environment = forms.ChoiceField(label="Money", choices=[], widget=forms.RadioSelect)
    exchange = forms.CharField(
        label="Exchange",
        max_length=40,
        help_text="ccxt’s name of it, in small letters: kraken, okx, coinbase",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
    )
    quote = forms.CharField(
        label="Coins are traded against",
        max_length=10,
        required=False,
        help_text="USDT, USDC, EUR … Empty: what is usual there",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "characters"}),
    )
    api_key = _secret("API key")
    api_secret = _secret("API secret")
    field_order = ("name", "environment", "exchange", "quote", "api_key", "api_secret", "password")

    def __init__(self, *args: Any, kind: str, real_money: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.real_money = kind, real_money
        for name in ("exchange", "quote"):
            if name not in OPTIONS[kind]:
                del self.fields[name]
        offered = [name for name in ENVIRONMENTS[kind] if name in ENVIRONMENT_TEXTS]
        self.fields["environment"].choices = [(name, ENVIRONMENT_TEXTS[name][0]) for name in offered]
        self.describe()

    @property
    def environments(self) -> list[tuple[str, str, str, bool]]:
        """(value, title, text, whether it may be chosen)."""
        return [
            (name, *ENVIRONMENT_TEXTS[name], name != Environment.LIVE or self.real_money)
            for name, _ in self.fields["environment"].choices
        ]

    @property
    def chosen(self) -> str:
        """The environment that is picked."""
        return self["environment"].value() or Environment.PAPER.value

    def refuse(self, refusal: InputError | ApiError) -> None:
        """A fault of an option belongs to the field of its name."""
        faults = [replace(fault, path=fault.path.removeprefix("options.")) for fault in refusal.faults]
        super().refuse(InputError(faults) if faults else refusal)

    def values(self) -> dict[str, Any]:
        """What `accounts.services.brokers.add` takes."""
        sent = {name: self.cleaned_data[name] for name in ("name", "environment", "api_key", "api_secret")}
        typed = {name: self.cleaned_data.get(name, "").strip() for name in OPTIONS[self.kind]}
        options = {name: value.upper() if name == "quote" else value for name, value in typed.items() if value}
        return {**sent, "kind": self.kind, "options": options}


class ReplaceKeysForm(_WithPassword):
    """Other keys of the same account."""

    api_key = _secret("New API key")
    api_secret = _secret("New API secret")
    field_order = ("api_key", "api_secret", "password")


class PracticeForm(AccessibleForm):
    """An account at the practice venue."""

    cash = forms.DecimalField(
        label="Play money",
        min_value=MIN_CASH,
        max_value=MAX_CASH,
        decimal_places=2,
        initial=100_000,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
        help_text="US dollars that nobody has",
    )


class ChangeForm(AccessibleForm):
    """What may be changed of an account without its keys."""

    name = forms.CharField(label="Your name for it", max_length=MAX_NAME)
    opposite_orders = forms.ChoiceField(
        label="When two bots want opposite things",
        choices=[
            (BrokerAccount.Opposite.BLOCK, "Deny the entry that opposes another bot’s"),
            (BrokerAccount.Opposite.NET, "Settle opposite orders among the bots, send the rest"),
        ],
        help_text="A broker knows one position for each symbol, however many bots share the account",
    )

    @classmethod
    def of(cls, account: BrokerAccount) -> ChangeForm:
        """Filled in with what the account is."""
        return cls(initial={"name": account.name, "opposite_orders": account.opposite_orders})
