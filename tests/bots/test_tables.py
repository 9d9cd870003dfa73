"""The tables of sessions: their names and columns as promised, and what the database itself refuses."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import IntegrityError, connection, models, transaction

from accounts.models import User
from backtests.models import PerformanceRecord
from bots.models import Mode, PortfolioSnapshot, SessionSettings, Trade, TradingSession
from bots.settings_columns import column
from strategies import session_settings
from strategies.models import CustomStrategy, UserStrategy

NOW = datetime.datetime(2026, 3, 2, 14, 30, tzinfo=datetime.UTC)

# Table → columns that the shapes of the acceptance list name, under the names they have here.
SHAPES = {
    "trading_sessions": "owner_id mode state initial_cash symbols timeframe strategy custom_strategy_id"
    " strategy_parameters scheduled_end_time total_trades winning_trades total_pnl final_cash",
    "trades": "session_id symbol side qty px commission slippage execution_id broker_order_id executed_at"
    " indicators_snapshot realised_pnl",
    "portfolio_snapshots": "ts total_value cash positions mode session_id",
    "trading_session_settings": "session_id version stop_loss_pct take_profit_pct trailing_stop_pct"
    " max_position_size_pct max_open_positions daily_loss_limit_pct daily_loss_limit_abs max_drawdown_pct"
    " max_holding_time order_type_default time_in_force slippage_model slippage_value commission_rate"
    " allow_partial_fills limit_price_offset_pct maker_order_timeout position_sizing_method position_size_value"
    " rebalance_frequency capital_per_trade trading_hours_start trading_hours_end trading_days extended_hours"
    " min_confidence",
    "strategy_performance": "strategy_name strategy_type execution_type session_id symbols start end initial_capital"
    " final_capital win_rate_pct total_trades sharpe_ratio config trades equity_history",
    "user_strategies": "owner_id name description strategy strategy_type parameters settings is_public source_backtest"
    " copied_from_id created_at updated_at",
    "custom_strategies": "owner_id name description buy_conditions sell_conditions short_conditions cover_conditions"
    " is_active is_public copied_from_id",
}


@pytest.fixture
def session(alice: User) -> TradingSession:
    return TradingSession.objects.create(
        owner=alice, initial_cash=Decimal(1_000), symbols=["AAPL"], timeframe="1m", strategy="ma_crossover"
    )


def trade(session: TradingSession, **changes: Any) -> Trade:
    fields: dict[str, Any] = {
        "symbol": "AAPL",
        "side": "BUY",
        "qty": Decimal("1.5"),
        "px": Decimal("100.01"),
        "execution_id": "x1",
        "executed_at": NOW,
    }
    return Trade.objects.create(session=session, **{**fields, **changes})


@pytest.mark.row("M1", "M5")
@pytest.mark.django_db
@pytest.mark.parametrize("table", SHAPES)
def test_a_promised_table_exists_with_its_columns(table: str) -> None:
    with connection.cursor() as cursor:
        columns = {row.name for row in connection.introspection.get_table_description(cursor, table)}
    assert set(SHAPES[table].split()) <= columns


@pytest.mark.row("M1")
@pytest.mark.parametrize(
    "model",
    [TradingSession, Trade, PortfolioSnapshot, SessionSettings, PerformanceRecord, UserStrategy, CustomStrategy],
    ids=lambda model: model._meta.db_table,
)
def test_operators_have_a_page_with_filters_for_it(client: Any, carol: User, model: type[models.Model]) -> None:
    registered = admin.site._registry[model]
    assert registered.list_filter
    assert registered.search_fields
    client.force_login(carol)
    answer = client.get(f"/operators/{model._meta.app_label}/{model._meta.model_name}/")
    assert answer.status_code == 200


def test_every_declared_setting_has_a_column_that_takes_its_values(session: TradingSession) -> None:
    for preset in session_settings.PRESETS:
        cleaned = session_settings.clean({}, preset_name=preset)
        stored = {**cleaned, "trading_days": list(cleaned["trading_days"])}
        version = session.settings_versions.count() + 1
        SessionSettings.objects.create(session=session, version=version, **stored)
        row = SessionSettings.objects.get(session=session, version=version)
        read = {name: getattr(row, name) for name in session_settings.SETTINGS}
        money = [name for name in read if isinstance(column(session_settings.SETTINGS[name]), models.DecimalField)]
        assert "capital_per_trade" in money
        plain = {name: float(v) if name in money and v is not None else v for name, v in read.items()}
        assert session_settings.clean(session_settings.as_json(plain)) == cleaned


def test_settings_are_versioned(session: TradingSession) -> None:
    SessionSettings.objects.create(session=session, version=1)
    SessionSettings.objects.create(session=session, version=2, stop_loss_pct=2)
    assert session.settings_versions.first().stop_loss_pct == 2, "the latest first"
    with pytest.raises(IntegrityError), transaction.atomic():
        SessionSettings.objects.create(session=session, version=2)


@pytest.mark.row("M1")
def test_a_fill_is_booked_once_and_never_edited(session: TradingSession) -> None:
    booked = trade(session)
    with pytest.raises(IntegrityError), transaction.atomic():
        trade(session, qty=Decimal(9))
    booked.px = Decimal(1)
    with pytest.raises(ValueError, match="never edited"):
        booked.save()
    assert Trade.objects.get().px == Decimal("100.01")
    assert str(booked) == "BUY 1.5 AAPL at 1"


@pytest.mark.parametrize(
    "changes",
    [{"qty": Decimal(0)}, {"qty": Decimal(-1)}, {"px": Decimal(0)}, {"execution_id": ""}, {"side": "HOLD"}],
    ids=str,
)
def test_the_database_refuses_what_is_no_fill(session: TradingSession, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        trade(session, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"initial_cash": Decimal(0)},
        {"strategy": ""},
        {"total_trades": 1, "winning_trades": 2},
        {"started_at": NOW, "ended_at": NOW - datetime.timedelta(seconds=1)},
    ],
    ids=str,
)
def test_the_database_refuses_what_is_no_session(alice: User, changes: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"initial_cash": Decimal(1), "timeframe": "1m", "strategy": "momentum", **changes}
    with pytest.raises(IntegrityError), transaction.atomic():
        TradingSession.objects.create(owner=alice, **fields)


def test_a_session_outlives_the_custom_strategy_that_it_copied(alice: User, session: TradingSession) -> None:
    tree = {"type": "compare", "left": {"price": "close"}, "condition": "above", "right": {"value": 1}}
    custom = CustomStrategy.objects.create(owner=alice, name="tree", buy_conditions=tree)
    session.custom_strategy = custom
    session.save()
    custom.delete()
    session.refresh_from_db()
    assert session.custom_strategy is None
    session.strategy = ""
    with pytest.raises(IntegrityError), transaction.atomic():
        session.save()


def test_states_are_those_of_the_design(session: TradingSession) -> None:
    assert {state.value for state in TradingSession.State} == {
        "DRAFT", "SCHEDULED", "CLAIMED", "RECONCILING", "WARMING", "RUNNING", "DEGRADED", "PAUSED", "STOPPING",
        "STOPPED", "HALTED", "FAILED", "ORPHANED",
    }  # fmt: skip
    active = {state.value for state in TradingSession.State if TradingSession(state=state).is_active}
    assert active == {state.value for state in TradingSession.State} - {"DRAFT", "STOPPED", "HALTED", "FAILED"}


def test_money_is_exact_and_time_is_aware(session: TradingSession) -> None:
    trade(session, px=Decimal("0.10000001"), qty=Decimal("0.000000000001"), commission=Decimal("0.1"))
    stored = Trade.objects.get()
    assert (stored.px, stored.qty) == (Decimal("0.10000001"), Decimal("0.000000000001"))
    assert stored.executed_at == NOW
    assert stored.executed_at.tzinfo is not None


def test_a_moment_has_one_snapshot(session: TradingSession) -> None:
    fields = {"session": session, "mode": Mode.PAPER, "ts": NOW, "total_value": Decimal(1_000), "cash": Decimal(1_000)}
    PortfolioSnapshot.objects.create(**fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        PortfolioSnapshot.objects.create(**fields)
    assert session.snapshots.latest().cash == 1_000


@pytest.mark.row("M3", "P9")
@pytest.mark.parametrize(
    ("model", "columns"),
    [
        ("bots.Order", ("session", "-decided_at")),
        ("bots.Order", ("symbol", "-decided_at")),
        ("bots.Trade", ("session", "-executed_at")),
        ("bots.Trade", ("symbol", "-executed_at")),
        ("bots.Position", ("session", "is_open")),
        ("bots.TradingSession", ("bot", "-created_at")),
        ("bots.DailyStats", ("bot", "-day")),
    ],
)
def test_what_lists_ask_for_is_indexed(db: None, model: str, columns: tuple[str, ...]) -> None:
    """By bot, symbol and time; asked of the database, where a migration may have been forgotten."""
    table = apps.get_model(model)._meta
    names = [table.get_field(name.lstrip("-")).column for name in columns]
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table.db_table).values()
    assert any(found["index"] and found["columns"][: len(names)] == names for found in constraints)
