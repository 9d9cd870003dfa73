"""The claims on passports (`backtests.jobs.claims`)."""

from __future__ import annotations

from backtests.jobs.claims import Claims
from backtests.jobs.words import Words
from backtests.models import Passport


class PassportClaims(Claims[Passport]):
    model, noun = Passport, "passport"
    words = Words(
        worked="made this passport",
        invalid="It cannot be examined: {}".format,
        too_slow="It took longer than {limit}, the most that one passport may take.",
        smaller="Examine fewer symbols, a shorter period or a coarser timeframe.",
        ours="strategy",
    )
    progress = ("runs_done", "runs_total")


claims = PassportClaims()
