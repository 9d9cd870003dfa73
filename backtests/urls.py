"""Pages of backtests and sweeps."""

from django.urls import path

from backtests.views import lists, new, passports, result, sweeps

app_name = "backtests"
urlpatterns = [
    path("", lists.backtest_list, name="list"),
    path("new/", new.new_backtest, name="new"),
    path("new/check/", new.check, name="check"),
    path("new/part/", new.form_part, name="form-part"),
    path("new/symbols/", new.symbols, name="symbols"),
    path("compare/", lists.compare, name="compare"),
    path("search/", lists.palette, name="palette"),
    path("example/", lists.example, name="example"),
    path("welcome/", lists.end_welcome, name="end-welcome"),
    path("sweeps/", sweeps.sweep_list, name="sweeps"),
    path("sweeps/new/", sweeps.new_sweep, name="new-sweep"),
    path("sweeps/new/check/", sweeps.check, name="check-sweep"),
    path("sweeps/new/part/", sweeps.form_part, name="sweep-form-part"),
    path("sweeps/<uuid:sweep_id>/", sweeps.detail, name="sweep"),
    path("sweeps/<uuid:sweep_id>/progress/", sweeps.progress, name="sweep-progress"),
    path("sweeps/<uuid:sweep_id>/cells/", sweeps.cells, name="sweep-cells"),
    path("sweeps/<uuid:sweep_id>/take/", sweeps.take, name="sweep-take"),
    path("sweeps/<uuid:sweep_id>/cancel/", sweeps.act, {"action": "cancel"}, name="sweep-cancel"),
    path("sweeps/<uuid:sweep_id>/resume/", sweeps.act, {"action": "resume"}, name="sweep-resume"),
    path("sweeps/<uuid:sweep_id>/delete/", sweeps.act, {"action": "delete"}, name="sweep-delete"),
    path("passports/of-strategy/<int:strategy_id>/", passports.of_strategy, name="passport-of-strategy"),
    path("passports/<uuid:passport_id>/", passports.detail, name="passport"),
    path("passports/<uuid:passport_id>/cancel/", passports.cancel, name="passport-cancel"),
    path("passports/<uuid:passport_id>/delete/", passports.remove, name="passport-delete"),
    path("<uuid:backtest_id>/passport/", passports.of_backtest, name="passport-of-backtest"),
    path("<uuid:backtest_id>/examine/", passports.make, name="passport-make"),
    path("<uuid:backtest_id>/", result.detail, name="detail"),
    path("<uuid:backtest_id>/progress/", result.progress, name="progress"),
    path("<uuid:backtest_id>/chart/", result.chart_data, name="chart"),
    path("<uuid:backtest_id>/price/<str:symbol>/", result.price_data, name="price"),
    path("<uuid:backtest_id>/cancel/", result.cancel, name="cancel"),
    path("<uuid:backtest_id>/rerun/", result.rerun, name="rerun"),
    path("<uuid:backtest_id>/delete/", result.remove, name="delete"),
    path("<uuid:backtest_id>/save/", result.save_as_strategy, name="save-as-strategy"),
]
