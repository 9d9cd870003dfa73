from django.urls import URLPattern, path

from backtests.api import backtests, passports, performance, sweeps

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
    path("sweeps", sweeps.Sweeps.as_view(), name="sweeps"),
    path("sweeps/check", sweeps.CheckSweep.as_view(), name="sweep-check"),
    path("sweeps/<uuid:sweep_id>", sweeps.SweepDetail.as_view(), name="sweep"),
    path("sweeps/<uuid:sweep_id>/cancel", sweeps.CancelSweep.as_view(), name="sweep-cancel"),
    path("sweeps/<uuid:sweep_id>/resume", sweeps.ResumeSweep.as_view(), name="sweep-resume"),
    path("sweeps/<uuid:sweep_id>/cells", sweeps.SweepCells.as_view(), name="sweep-cells"),
    path("sweeps/<uuid:sweep_id>/best", sweeps.SweepBest.as_view(), name="sweep-best"),
    path("sweeps/<uuid:sweep_id>/open", sweeps.OpenCell.as_view(), name="sweep-open"),
    path("sweeps/<uuid:sweep_id>/save-as-strategy", sweeps.SaveCell.as_view(), name="sweep-save"),
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
