"""A passport made in this process."""

from __future__ import annotations

from accounts.models import User
from backtests.models import Backtest, Passport
from backtests.proof import job, services


def made(user: User, backtest: Backtest) -> Passport:
    """The passport of what the backtest ran, as it is once it was made here and now."""
    passport = services.request(user, backtest.pk)
    job.run(passport.pk)
    passport.refresh_from_db()
    return passport
