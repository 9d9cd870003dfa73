"""Pages of portfolio studies."""

from django.urls import path

from backtests.views import portfolios

app_name = "portfolios"
urlpatterns = [
    path("", portfolios.study_list, name="list"),
    path("new/", portfolios.new_study, name="new"),
    path("new/check/", portfolios.check, name="check"),
    path("<uuid:study_id>/", portfolios.detail, name="detail"),
    path("<uuid:study_id>/progress/", portfolios.progress, name="progress"),
    path("<uuid:study_id>/drawing/", portfolios.drawing, name="drawing"),
    path("<uuid:study_id>/cancel/", portfolios.act, {"action": "cancel"}, name="cancel"),
    path("<uuid:study_id>/delete/", portfolios.act, {"action": "delete"}, name="delete"),
    path("<uuid:study_id>/take/", portfolios.take, name="take"),
]
