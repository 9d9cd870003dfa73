"""Pages of accounts at brokers."""

from django.urls import path

from bots.views import brokers, inbox

app_name = "brokers"
urlpatterns = [
    path("", brokers.account_list, name="list"),
    path("practice/", brokers.practice, name="practice"),
    path("add/<slug:broker_kind>/", brokers.add, name="add"),
    path("<int:account_id>/", brokers.detail, name="account"),
    path("<int:account_id>/change/", brokers.change, name="change"),
    path("<int:account_id>/keys/", brokers.keys, name="keys"),
    path("<int:account_id>/check/", brokers.check, name="check"),
    path("<int:account_id>/move-cash/", inbox.move_cash, name="move-cash"),
    path("<int:account_id>/hand-over/", inbox.hand_over, name="hand-over"),
    path("<int:account_id>/give-back/", inbox.give_back, name="give-back"),
    path("<int:account_id>/close/", brokers.close, name="close"),
]
