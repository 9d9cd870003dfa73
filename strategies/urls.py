from django.urls import path

from strategies.gallery import views as gallery
from strategies.views import compose, custom, saved

app_name = "strategies"
urlpatterns = [
    path("", saved.strategy_list, name="list"),
    path("public/", gallery.public_list, name="public"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("gallery/<int:publication_id>/", gallery.entry, name="gallery-entry"),
    path("gallery/<int:publication_id>/chart/", gallery.chart, name="gallery-chart"),
    path("gallery/<int:publication_id>/copy/", gallery.copy, name="gallery-copy"),
    path("gallery/<int:publication_id>/rate/", gallery.rate, name="gallery-rate"),
    path("gallery/<int:publication_id>/report/", gallery.report, name="gallery-report"),
    path("new/", saved.new, name="new"),
    path("search/", custom.palette, name="palette"),
    path("compose/", compose.new, name="compose"),
    path("compose/member/", compose.member, name="compose-member"),
    path("compose/check/", compose.check, name="compose-check"),
    path("compose/<int:strategy_id>/", compose.edit, name="compose-edit"),
    path("catalogue/<slug:slug>/", saved.catalogue_entry, name="entry"),
    path("custom/", custom.custom_list, name="custom"),
    path("custom/new/", custom.new, name="custom-new"),
    path("custom/<int:custom_id>/", custom.detail, name="custom-detail"),
    path("custom/<int:custom_id>/edit/", custom.edit, name="custom-edit"),
    path("custom/<int:custom_id>/conditions/", custom.conditions, name="custom-conditions"),
    path("custom/<int:custom_id>/copy/", custom.copy, name="custom-copy"),
    path("custom/<int:custom_id>/switch/", custom.switch, name="custom-switch"),
    path("custom/<int:custom_id>/delete/", custom.delete, name="custom-delete"),
    path("custom/<int:custom_id>/publish/", gallery.publish_custom, name="custom-publish"),
    path("custom/<int:custom_id>/withdraw/", gallery.withdraw_custom, name="custom-withdraw"),
    path("<int:strategy_id>/", saved.detail, name="detail"),
    path("<int:strategy_id>/edit/", saved.edit, name="edit"),
    path("<int:strategy_id>/copy/", saved.copy, name="copy"),
    path("<int:strategy_id>/delete/", saved.delete, name="delete"),
    path("<int:strategy_id>/publish/", gallery.publish, name="publish"),
    path("<int:strategy_id>/withdraw/", gallery.withdraw, name="withdraw"),
]
