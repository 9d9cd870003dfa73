from django.urls import URLPattern, path

from backtests.api import backtests, passports, performance

app_name = "backtests-api"
urlpatterns: list[URLPattern] = [
    path("backtest/run", backtests.RunBacktest.as_view(), name="run"),
    path("backtest/health", backtests.BacktestHealth.as_view(), name="health"),
    path("backtest/strategies", backtests.StrategyCatalogue.as_view(), name="strategies"),
    path("backtests", backtests.BacktestList.as_view(), name="list"),
    path("backtests/compare", backtests.CompareBacktests.as_view(), name="compare"),
    path("backtests/<uuid:backtest_id>", backtests.BacktestDetail.as_view(), name="detail"),
    path("backtests/<uuid:backtest_id>/cancel", backtests.CancelBacktest.as_view(), name="cancel"),
    path("backtests/<uuid:backtest_id>/rerun", backtests.RerunBacktest.as_view(), name="rerun"),
    path("backtests/<uuid:backtest_id>/save-as-strategy", backtests.SaveAsStrategy.as_view(), name="save-as-strategy"),
    path("backtests/<uuid:backtest_id>/trades", backtests.BacktestTrades.as_view(), name="trades"),
    path("backtests/<uuid:backtest_id>/trades.csv", backtests.BacktestTradesCsv.as_view(), name="trades-csv"),
    path("backtests/<uuid:backtest_id>/explanations", backtests.Explanations.as_view(), name="explanations"),
    path("backtests/<uuid:backtest_id>/equity", backtests.BacktestEquity.as_view(), name="equity"),
    path("backtests/<uuid:backtest_id>/result", backtests.BacktestResult.as_view(), name="result"),
    path("passports", passports.Passports.as_view(), name="passports"),
    path("passports/<uuid:passport_id>", passports.PassportDetail.as_view(), name="passport"),
    path("passports/<uuid:passport_id>/cancel", passports.CancelPassport.as_view(), name="passport-cancel"),
    path("performance/overview", performance.Overview.as_view(), name="performance-overview"),
    path("performance/analytics", performance.Analytics.as_view(), name="performance-analytics"),
    path("performance/strategy/<path:name>", performance.ByStrategyName.as_view(), name="performance-strategy"),
    path(
        "performance/strategy-id/<int:strategy_id>",
        performance.BySavedStrategy.as_view(),
        name="performance-strategy-id",
    ),
    path("performance/<int:record_id>", performance.Record.as_view(), name="performance-record"),
]
