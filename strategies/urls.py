from django.urls import path

from strategies import views
from strategies.gallery import views as gallery

app_name = "strategies"
urlpatterns = [
    path("", views.strategy_list, name="list"),
    path("public/", gallery.public_list, name="public"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("gallery/<int:publication_id>/", gallery.entry, name="gallery-entry"),
    path("gallery/<int:publication_id>/chart/", gallery.chart, name="gallery-chart"),
    path("gallery/<int:publication_id>/copy/", gallery.copy, name="gallery-copy"),
    path("gallery/<int:publication_id>/rate/", gallery.rate, name="gallery-rate"),
    path("gallery/<int:publication_id>/report/", gallery.report, name="gallery-report"),
    path("new/", views.new, name="new"),
    path("catalogue/<slug:slug>/", views.catalogue_entry, name="entry"),
    path("<int:strategy_id>/", views.detail, name="detail"),
    path("<int:strategy_id>/edit/", views.edit, name="edit"),
    path("<int:strategy_id>/copy/", views.copy, name="copy"),
    path("<int:strategy_id>/delete/", views.delete, name="delete"),
    path("<int:strategy_id>/publish/", gallery.publish, name="publish"),
    path("<int:strategy_id>/withdraw/", gallery.withdraw, name="withdraw"),
]
