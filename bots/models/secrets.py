"""What a bot must keep to itself: its broker's keys and its own Telegram chat."""

from __future__ import annotations

from django.db import models

from bots.models.bot import Bot
from tradingsite.lib.secrets import EncryptedTextField


class BotSecrets(models.Model):
    """Keys of one bot, encrypted at rest. Clones and exports leave them out; they go with the bot."""

    bot = models.OneToOneField(Bot, on_delete=models.CASCADE, primary_key=True, related_name="secrets")
    api_key = EncryptedTextField(help_text="The broker's key")
    secret_key = EncryptedTextField(help_text="The broker's secret that belongs to it")
    testnet = models.BooleanField(default=True, help_text="The keys are for the broker's test network")
    telegram_token = EncryptedTextField(help_text="Token of the Telegram bot that writes")
    telegram_chat_id = models.CharField(max_length=64, blank=True, help_text="Where it writes to")
    telegram_trades = models.BooleanField(default=False, help_text="It writes each trade, too")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "bot_secrets"
        verbose_name_plural = "bot secrets"

    def __str__(self) -> str:
        return f"secrets of bot {self.bot_id}"

    @property
    def has_chat(self) -> bool:
        """Whether this bot can write to a Telegram chat of its own."""
        return bool(self.telegram_token) and bool(self.telegram_chat_id)
