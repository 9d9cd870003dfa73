"""What users are told: notifications on the site, and messages to channels outside it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from tradingsite.lib.secrets import EncryptedTextField


class Level(models.TextChoices):
    """How much it matters, least first."""

    INFO = "info", "Information"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"
    CRITICAL = "critical", "Critical"


class Notification(models.Model):
    """One message to one user, shown on the site until it is read and for a while after."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    event = models.CharField(max_length=40, help_text="A stable word: trade_executed, session_halted, feed_silent, …")
    level = models.CharField(max_length=8, choices=Level.choices)
    title = models.CharField(max_length=120)
    text = models.CharField(max_length=1_000, blank=True)
    link = models.CharField(max_length=300, blank=True, help_text="A path on this site")
    session_id = models.CharField(max_length=36, blank=True, help_text="The trading session that it is about, if any")
    dedup = models.CharField(
        max_length=100, blank=True, help_text="While one with the same key is unread, it is not said again"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "dedup"], condition=~Q(dedup="") & Q(read_at=None), name="notification_said_once"
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="notification_newest"),
            models.Index(fields=["owner"], condition=Q(read_at=None), name="notification_unread"),
        ]

    def __str__(self) -> str:
        return self.title


class NotificationChannel(models.Model):
    """Where else a user wants to hear of things: one row for each kind of reporter (see `accounts.reporters`)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="channels")
    kind = models.CharField(max_length=20, help_text="telegram, webhook, …")
    address = models.CharField(max_length=500, help_text="Chat id, URL, …")
    secret = EncryptedTextField(help_text="Bot token, signing secret, …")
    min_level = models.CharField(max_length=8, choices=Level.choices, default=Level.WARNING)
    enabled = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "kind"], name="one_channel_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.kind} of user {self.owner_id}"

    def wants(self, level: str) -> bool:
        """Whether something of this level is to be sent there."""
        order = list(Level.values)
        return self.enabled and order.index(level) >= order.index(self.min_level)


class Delivery(models.Model):
    """One message to a channel outside: written with what it tells of, sent by a worker, kept as a log.

    It carries its own copy of address and secret, so that a bot's own channel needs no row elsewhere; the secret goes
    as soon as the delivery has ended.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", "Waiting"
        SENT = "SENT", "Sent"
        FAILED = "FAILED", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=20)
    address = models.CharField(max_length=500)
    secret = EncryptedTextField()
    event = models.CharField(max_length=40)
    note = models.JSONField(help_text="What is told")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, help_text="Null once it has ended")
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state="WAITING"), name="delivery_due"),
            models.Index(fields=["owner", "-created_at"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.kind}: {self.state}"
