"""Pages of backtests."""

from django.urls import path

from backtests.views import lists, new, passports, result

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
