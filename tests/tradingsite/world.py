"""What alice owns, one of each kind, so that a test can ask every route of the site for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.utils import timezone

from accounts.models import BrokerAccount, Notification, User
from accounts.services import notifications
from backtests import job
from backtests import services as backtest_services
from backtests.models import AllocationStudy, Backtest, Passport, PerformanceRecord, Sweep
from backtests.portfolios import job as study_job
from backtests.portfolios import services as study_services
from backtests.proof import job as passport_job
from backtests.proof import services as passport_services
from backtests.sweeps import job as sweep_job
from backtests.sweeps import services as sweep_services
from bots.models import Bot, BotTemplate, BrokerHolding, Discrepancy, TradingSession
from bots.selectors.templates import key_of
from bots.services import templates
from marketdata.models import DataImport, Instrument, Refetch
from marketdata.services import imports
from strategies import services as strategy_services
from strategies.gallery import publishing
from strategies.models import ConditionTest, CustomStrategy, UserStrategy
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.factories import fill_session, make_bot, make_session
from tests.strategies.trees import make_custom

CSV = (
    b"timestamp,open,high,low,close,volume\n"
    b"2024-01-02,10,11,9,10.5,1000\n2024-01-03,10.5,12,10,11,1200\n2024-01-04,11,11.5,10.5,11.2,900\n"
)


@dataclass(frozen=True)
class World:
    """alice and hers."""

    owner: User
    backtest: Backtest
    passport: Passport
    sweep: Sweep
    study: AllocationStudy
    record: PerformanceRecord
    strategy: UserStrategy
    custom: CustomStrategy
    look: ConditionTest
    instrument: Instrument
    data_import: DataImport
    refetch: Refetch
    notification: Notification
    session: TradingSession
    bot: Bot
    template: BotTemplate
    broker_account: BrokerAccount

    def url_parts(self) -> dict[str, Any]:
        """A value of hers for every name that a route may hold."""
        return {
            "backtest_id": self.backtest.pk,
            "passport_id": self.passport.pk,
            "sweep_id": self.sweep.pk,
            "study_id": self.study.pk,
            "record_id": self.record.pk,
            "strategy_id": self.strategy.pk,
            "custom_id": self.custom.pk,
            "test_id": self.look.pk,
            "instrument_id": self.instrument.pk,
            "import_id": self.data_import.pk,
            "refetch_id": self.refetch.pk,
            "timeframe": "1d",
            "notification_id": self.notification.pk,
            "kind": "telegram",
            "user_id": self.owner.pk,
            "order_id": self.session.orders.first().pk,
            "trade_id": self.session.trades.first().pk,
            "position_id": self.session.positions.get(is_open=True).pk,
            "symbol": "AAPL",
            "name": "ma_crossover",
            "strategy_type": "trend",
            "slug": "ma_crossover",
            "session_id": self.session.pk,
            "bot_id": self.bot.pk,
            "publication_id": publishing.of(self.strategy).pk,
            "template": key_of(self.template),
            "version": 1,
            "broker_kind": "alpaca",
            "account_id": self.broker_account.pk,
            "discrepancy_id": self.broker_account.discrepancies.get().pk,
        }


@override_settings(CELERY_TASK_DEFAULT_QUEUE="nobody", SWEEP_QUEUE="nobody")
def build(owner: User) -> World:
    """A finished backtest with its performance record and passport, a sweep, a portfolio, a saved strategy, an imported
    instrument with its import, a notification and a channel, a bot with a session that holds a position in AAPL, an
    account at a broker.

    All is worked through here, by no worker that other tests have left running. The test must be transactional: a
    backtest reports its progress from a thread of its own. It has the fixture `sample_prices`.
    """
    strategy = strategy_services.create(owner, name="Hers", strategy="ma_crossover")
    run = {"symbols": ["AAPL"], "start_date": "2004-01-01", "end_date": "2006-12-31"}
    backtest = backtest_services.submit(owner, {"saved_strategy_id": strategy.pk, **run})
    job.run(backtest.pk)
    backtest.refresh_from_db()
    assert backtest.state == Backtest.State.DONE, backtest.failure_reason
    axes = [{"name": "fast_window", "values": [5, 10]}]
    sweep = sweep_services.submit(owner, {"backtest": backtest.config, "axes": axes})
    assert sweep_job.run_next()
    sweep.refresh_from_db()
    assert sweep.state == Sweep.State.DONE, sweep.failure_reason
    study = study_services.submit(
        owner,
        {
            "symbols": ["AAPL", "IBM"],
            "start_date": "2005-01-01",
            "end_date": "2005-12-31",
            "parameters": {"method": "inverse_volatility", "max_weight_pct": 80, "lookback": 60},
        },
    )
    study_job.run(study.pk)
    study.refresh_from_db()
    assert study.state == AllocationStudy.State.DONE, study.failure_reason
    passport = passport_services.request(owner, backtest.pk)
    passport_job.run(passport.pk)
    passport.refresh_from_db()
    assert passport.state == Passport.State.DONE, passport.failure_reason
    upload = SimpleUploadedFile("mine.csv", CSV)
    data_import = imports.submit(owner, upload, symbol="MINE", timeframe="1d")
    imports.run(data_import.pk)
    told = notifications.notify(owner, "session_halted", level="error", title="Her session was halted")
    assert told is not None
    notifications.set_channel(owner, "telegram", address="42", secret="123456789:" + "x" * 30)
    bot = make_bot(owner)
    custom = make_custom(owner, "Her own")
    for subject in (strategy, custom):
        # In the gallery once, and not now: what is there is everybody's.
        publishing.publish(owner, subject, {"description": "What it does"})
        publishing.withdraw(owner, subject)
    return World(
        owner=owner,
        backtest=backtest,
        passport=passport,
        sweep=sweep,
        study=study,
        record=PerformanceRecord.objects.get(),
        strategy=strategy,
        custom=custom,
        look=ConditionTest.objects.create(owner=owner, request={"symbol": "AAPL", "timeframe": "1d"}),
        instrument=Instrument.objects.get(symbol="MINE"),
        data_import=data_import,
        refetch=Refetch.objects.create(
            instrument=Instrument.objects.get(symbol="MINE"), timeframe="1d", asked_by=owner, state="DONE"
        ),
        notification=told,
        session=fill_session(make_session(owner, symbols=["AAPL"], bot=bot), bars=20),
        bot=bot,
        template=templates.save(owner, bot.pk, {"name": "Her template"}),
        broker_account=_account(owner),
    )


def _account(owner: User) -> BrokerAccount:
    """At a broker, with something in the inbox, and units that no session holds."""
    account: BrokerAccount = BrokerAccountFactory(owner=owner)
    Discrepancy.objects.create(
        broker_account=account, kind="position", key="position:AAPL", symbol="AAPL", theirs=5, px=100,
        text="AAPL: the account has 5, our books say 0", seen_at=timezone.now(),
    )  # fmt: skip
    BrokerHolding.objects.create(broker_account=account, symbol="IBM", qty=5, external=5, seen_at=timezone.now())
    return account


def begin(owner: User) -> dict[str, Any]:
    """What somebody else has of his own, by the names that a route may hold: enough to ask for hers from there."""
    bot, account = make_bot(owner), _account(owner)
    return {
        "user_id": owner.pk,
        "bot_id": bot.pk,
        "session_id": make_session(owner, bot=bot).pk,
        "template": key_of(templates.save(owner, bot.pk, {"name": "His template"})),
        "account_id": account.pk,
        "discrepancy_id": account.discrepancies.get().pk,
    }
