"""A bot that somebody keeps as a template, for themselves or for everybody."""

from __future__ import annotations

from django.conf import settings as site
from django.db import models


class BotTemplate(models.Model):
    """A bot's configuration under a name, without secrets, keys, accounts or ids: what `bot_requests.config` gives.

    Writes go through `bots.services.templates`.
    """

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bot_templates")
    name = models.CharField(max_length=80)
    for_whom = models.CharField(max_length=200, blank=True, help_text="Who should look at it")
    does = models.CharField(max_length=500, blank=True, help_text="How it trades")
    loses = models.CharField(max_length=500, blank=True, help_text="When it loses money")
    kind = models.CharField(max_length=40, help_text="Kind of its strategy")
    risk = models.CharField(max_length=8, help_text="low, medium or high, as its owner says")
    config = models.JSONField(help_text="A bot's request, without its name")
    is_shared = models.BooleanField(default=False, help_text="Everybody may look at it and use it")
    uses = models.PositiveIntegerField(default=0, help_text="How many bots others made of it")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "bot_templates"
        ordering = ("name", "id")
        constraints = [models.UniqueConstraint(fields=("owner", "name"), name="bottemplate_name_once")]
        indexes = [models.Index(fields=("is_shared", "kind"), name="bottemplate_shared_kind")]

    def __str__(self) -> str:
        return self.name
