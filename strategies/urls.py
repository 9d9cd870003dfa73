from django.urls import path

from strategies.views import compose, saved

app_name = "strategies"
urlpatterns = [
    path("", saved.strategy_list, name="list"),
    path("public/", saved.public_list, name="public"),
    path("new/", saved.new, name="new"),
    path("compose/", compose.new, name="compose"),
    path("compose/member/", compose.member, name="compose-member"),
    path("compose/check/", compose.check, name="compose-check"),
    path("compose/<int:strategy_id>/", compose.edit, name="compose-edit"),
    path("catalogue/<slug:slug>/", saved.catalogue_entry, name="entry"),
    path("<int:strategy_id>/", saved.detail, name="detail"),
    path("<int:strategy_id>/edit/", saved.edit, name="edit"),
    path("<int:strategy_id>/copy/", saved.copy, name="copy"),
    path("<int:strategy_id>/delete/", saved.delete, name="delete"),
]
