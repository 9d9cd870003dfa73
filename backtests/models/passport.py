"""Passports: whether a strategy's edge was proven on some data; and how often that data was tried."""

from __future__ import annotations

from django.conf import settings as site
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from backtests.models.backtest import Backtest
from backtests.models.job import HeldJob


class Passport(HeldJob):
    """The tests of `backtests.proof` over one request: what was asked, on what it ran, what they found.

    The request is copied from its backtest, so deleting that takes nothing away.
    """

    class Verdict(models.TextChoices):
        PASS = "pass", "Pass"
        DOUBT = "doubt", "Doubt"
        FAIL = "fail", "Fail"

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passports")
    backtest = models.ForeignKey(Backtest, null=True, blank=True, on_delete=models.SET_NULL, related_name="passports")

    # What was asked: the request of the backtest (`backtests.runner.RunConfig`).
    config = models.JSONField(encoder=DjangoJSONEncoder)
    strategy = models.CharField(max_length=60, help_text="Slug in the catalogue")
    strategy_label = models.CharField(max_length=80)
    saved_strategy_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    choice = models.CharField(max_length=64, help_text="strategies.proving.Choice.fingerprint(): what it speaks for")
    data_key = models.CharField(max_length=64, help_text="backtests.proof.trials.key_of: the data that tries count on")
    seed = models.PositiveBigIntegerField(default=0)

    # What it ran on; with `config` and `seed` this is what an exact repetition compares.
    strategy_version = models.CharField(max_length=12)
    proof_version = models.PositiveIntegerField()
    engine_version = models.CharField(max_length=40, blank=True)
    data_hash = models.CharField(max_length=64, blank=True)
    stored_hash = models.CharField(max_length=64, blank=True, help_text="Of the stored series then; empty: not stored")
    synthetic = models.BooleanField(default=False, help_text="Ran on made prices")
    trials = models.PositiveBigIntegerField(default=0, help_text="Variants its owner had tried on these data")

    # What was found.
    verdict = models.CharField(max_length=5, choices=Verdict, blank=True)
    document = models.JSONField(null=True, blank=True, help_text="backtests.proof.examining.examine")
    result_hash = models.CharField(max_length=64, blank=True)

    # How it goes.
    runs_done = models.PositiveIntegerField(default=0)
    runs_total = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=("owner", "-created_at"), name="passport_owner_created"),
            models.Index(fields=("owner", "choice"), name="passport_owner_choice"),
            models.Index(fields=("state", "heartbeat_at"), name="passport_state_heartbeat"),
        ]

    def __str__(self) -> str:
        return f"Passport of {self.strategy_label} on {', '.join(self.symbols[:3])}"


class TrialCount(models.Model):
    """How many variants a user ever tried on some data. Only ever counted up: deleting what was tried frees nothing."""

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trial_counts")
    data_key = models.CharField(max_length=64, help_text="backtests.proof.trials.key_of")
    variants = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("owner", "data_key"), name="trialcount_once")]

    def __str__(self) -> str:
        return f"{self.variants} variants on {self.data_key[:8]}"
