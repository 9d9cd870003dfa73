from django.urls import path

from strategies import views

app_name = "strategies"
urlpatterns = [
    path("", views.strategy_list, name="list"),
    path("public/", views.public_list, name="public"),
    path("new/", views.new, name="new"),
    path("catalogue/<slug:slug>/", views.catalogue_entry, name="entry"),
    path("<int:strategy_id>/", views.detail, name="detail"),
    path("<int:strategy_id>/edit/", views.edit, name="edit"),
    path("<int:strategy_id>/copy/", views.copy, name="copy"),
    path("<int:strategy_id>/delete/", views.delete, name="delete"),
]
