"""The form of a bot's secrets. What is stored is never shown: a field left empty keeps it."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.forms import AccessibleForm
from bots.models import BotSecrets
from bots.services.secrets import MAX_CHAT, MAX_SECRET, SECRETS


def _secret(label: str) -> forms.CharField:
    hidden = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(label=label, required=False, max_length=MAX_SECRET, widget=hidden)


class SecretsForm(AccessibleForm):
    """Broker keys and the Telegram chat of one bot."""

    api_key = _secret("API key")
    secret_key = _secret("Secret key")
    testnet = forms.BooleanField(label="These keys are for the test network", required=False)
    telegram_token = _secret("Telegram bot token")
    telegram_chat_id = forms.CharField(
        label="Telegram chat id",
        required=False,
        max_length=MAX_CHAT,
        help_text="Where it writes to, beside your own channels; empty: nowhere",
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    telegram_trades = forms.BooleanField(label="Write each trade to this chat", required=False)

    def __init__(self, *args: Any, row: BotSecrets) -> None:
        kept = {name: getattr(row, name) for name in ("testnet", "telegram_chat_id", "telegram_trades")}
        super().__init__(*args, initial=kept, auto_id="id_secrets_%s")
        for name in SECRETS:
            stored = getattr(row, name)
            self.fields[name].help_text = f"Now {stored}. Empty keeps it" if stored else "Not set"
        self.describe()

    @classmethod
    def of(cls, row: BotSecrets) -> SecretsForm:
        """The form of what is stored."""
        return cls(row=row)

    def changes(self) -> dict[str, Any]:
        """What `bots.services.secrets.put` takes: secrets that were typed, and the rest as it is shown."""
        sent = {name: value for name, value in self.cleaned_data.items() if value or name not in SECRETS}
        if not sent["telegram_chat_id"] and "telegram_token" not in sent:
            sent["telegram_token"] = None  # without a chat its token is of no use
        return sent
