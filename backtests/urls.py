"""Pages of backtests."""

from django.urls import path

from backtests.views import lists, new, result

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
    path("<uuid:backtest_id>/", result.detail, name="detail"),
    path("<uuid:backtest_id>/progress/", result.progress, name="progress"),
    path("<uuid:backtest_id>/chart/", result.chart_data, name="chart"),
    path("<uuid:backtest_id>/price/<str:symbol>/", result.price_data, name="price"),
    path("<uuid:backtest_id>/cancel/", result.cancel, name="cancel"),
    path("<uuid:backtest_id>/rerun/", result.rerun, name="rerun"),
    path("<uuid:backtest_id>/delete/", result.remove, name="delete"),
    path("<uuid:backtest_id>/save/", result.save_as_strategy, name="save-as-strategy"),
]
