"""The four tiers. An operator edits them afterwards in the admin; this never touches a row that exists."""

from django.db import migrations

TIERS = [
    {
        "code": "FREE", "label": "Free", "rank": 1, "max_active_sessions": 1, "max_concurrent_backtests": 2,
        "max_backtests_per_day": 50, "max_backtest_bars": 2_500_000, "max_saved_strategies": 20, "max_upload_mb": 25,
        "max_waiting_imports": 3, "max_stored_bars": 10_000_000,
        "allows_custom_strategies": False, "api_requests_per_minute": 120,
    },
    {
        "code": "BASIC", "label": "Basic", "rank": 2, "max_active_sessions": 5, "max_concurrent_backtests": 4,
        "max_backtests_per_day": 200, "max_backtest_bars": 10_000_000, "max_saved_strategies": 100, "max_upload_mb": 50,
        "max_waiting_imports": 5, "max_stored_bars": 50_000_000,
        "allows_custom_strategies": False, "api_requests_per_minute": 300,
    },
    {
        "code": "PREMIUM", "label": "Premium", "rank": 3, "max_active_sessions": 10, "max_concurrent_backtests": 8,
        "max_backtests_per_day": 1_000, "max_backtest_bars": 50_000_000, "max_saved_strategies": 500, "max_upload_mb": 100,
        "max_waiting_imports": 10, "max_stored_bars": 250_000_000,
        "allows_custom_strategies": True, "api_requests_per_minute": 600,
    },
    {
        "code": "ENTERPRISE", "label": "Enterprise", "rank": 4, "max_active_sessions": 10, "max_concurrent_backtests": 16,
        "max_backtests_per_day": None, "max_backtest_bars": None, "max_saved_strategies": None, "max_upload_mb": 500,
        "max_waiting_imports": 20, "max_stored_bars": None,
        "allows_custom_strategies": True, "api_requests_per_minute": 1_200,
    },
]


def seed(apps, schema_editor):
    tiers = apps.get_model("accounts", "Tier").objects
    for row in TIERS:
        tiers.get_or_create(code=row["code"], defaults=row)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
