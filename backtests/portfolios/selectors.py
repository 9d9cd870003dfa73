"""Reads of portfolio studies. Each takes the user whose eyes it reads with."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from accounts.models import User
from backtests.jobs import rows as jobs
from backtests.models import AllocationStudy
from backtests.portfolios import caps
from backtests.portfolios.request import StudyConfig, clean
from backtests.runner import clean as clean_run
from engine.errors import InputError
from strategies import catalogue
from tradingsite.lib.realtime import PortfolioProgress


def for_user(user: User) -> QuerySet[AllocationStudy]:
    """The user's studies, newest first, without the long columns."""
    return AllocationStudy.objects.filter(owner=user).defer("config", "document")


def get(user: User, study_id: uuid.UUID | str) -> AllocationStudy:
    """One of the user's own. Raises NotFound for anybody else's, for unknown and for malformed ids."""
    mine = AllocationStudy.objects.select_related("owner").filter(owner=user)
    return jobs.one(mine, study_id, "There is no such portfolio.")


def active_count(user: User) -> int:
    """How many of the user's studies wait or run."""
    return jobs.active_count(AllocationStudy, user)


def progress(study: AllocationStudy) -> PortfolioProgress:
    """How far it is: the payload of `portfolio_progress`, and the snapshot for who missed one."""
    return {
        "id": str(study.pk),
        "state": study.state,
        "phase": study.phase,
        "done": study.steps_done,
        "total": study.steps_total,
        "failure_reason": study.failure_reason,
    }


def config_of(study: AllocationStudy) -> StudyConfig:
    """What was asked. Raises InputError where this release refuses it."""
    return clean(study.config, clean_run)


def cuts(study: AllocationStudy) -> list[caps.Cut]:
    """The limits of the account, as they are now, that its weights exceed; none until it is done. One query.

    None either of a request that this release refuses: it can be read, and taken no further.
    """
    if study.document is None:
        return []
    try:
        config = config_of(study)
    except InputError:
        return []
    weights = {row["symbol"]: row["weight_pct"] for row in study.document["weights"]}
    return caps.cuts(caps.of_account(study.owner, config), weights)


def outdated(study: AllocationStudy) -> bool:
    """Whether the strategy's code has changed since, so that the same request may give other weights."""
    return bool(catalogue.get("allocation").version() != study.strategy_version)
