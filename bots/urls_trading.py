"""Pages of what bots trade: fills, positions, orders, what brokers say otherwise, analytics, risk."""

from django.urls import path

from bots.views import analytics, inbox, orders, positions, risk, trades

urlpatterns = [
    path("trades/", trades.trade_list, name="trades"),
    path("trades/<int:trade_id>/", trades.trade, name="trade"),
    path("trades/export.csv", trades.trades_csv, name="trades-csv"),
    path("orders/", orders.order_list, name="orders"),
    path("orders/<int:order_id>/", orders.order, name="order"),
    path("positions/", positions.position_list, name="positions"),
    path("positions/<int:position_id>/", positions.position, name="position"),
    path("positions/<int:position_id>/chart/", positions.chart, name="position-chart"),
    path("positions/<int:position_id>/close/", positions.close, name="position-close"),
    path("inbox/", inbox.inbox_list, name="inbox"),
    path("inbox/waiting/", inbox.waiting, name="inbox-waiting"),
    path("inbox/look/<int:account_id>/", inbox.look, name="inbox-look"),
    path("inbox/<int:discrepancy_id>/adopt/", inbox.adopt, name="inbox-adopt"),
    path("inbox/<int:discrepancy_id>/leave/", inbox.leave, name="inbox-leave"),
    path("inbox/<int:discrepancy_id>/close/", inbox.close, name="inbox-close"),
    path("analytics/", analytics.analytics, name="analytics"),
    path("analytics/data/", analytics.data, name="analytics-data"),
    path("risk/", risk.risk, name="risk"),
    path("risk/stop/", risk.stop, name="risk-stop"),
    path("risk/allow/", risk.allow, name="risk-allow"),
    path("risk/progress/", risk.progress, name="risk-progress"),
    path("risk/limits/", risk.limits, name="risk-limits"),
    path("risk/limits/check/", risk.check_limits, name="risk-check"),
]
