"""Pages of bots and sessions."""

from django.urls import path

from bots.views import actions, bots, dashboard, lists, secrets, session, settings, start, templates

app_name = "bots"
urlpatterns = [
    path("dashboard/equity/", dashboard.equity, name="equity"),
    path("sessions/", lists.sessions, name="sessions"),
    path("sessions/search/", lists.palette, name="palette"),
    path("sessions/new/", start.new_session, name="new-session"),
    path("sessions/check/", start.check, {"kind": "session"}, name="check-session"),
    path("sessions/part/", start.form_part, name="form-part"),
    path("sessions/symbols/", start.symbols, name="symbols"),
    path("bots/first/", start.first, name="first"),
    path("sessions/stop-everything/", actions.stop_everything, name="stop-everything"),
    path("sessions/<int:session_id>/", session.detail, name="session"),
    path("sessions/<int:session_id>/price/<str:symbol>/", session.price_data, name="session-price"),
    path("sessions/<int:session_id>/equity/", session.equity_data, name="session-equity"),
    path("sessions/<int:session_id>/pause/", actions.pause, name="pause"),
    path("sessions/<int:session_id>/resume/", actions.resume, name="resume"),
    path("sessions/<int:session_id>/stop/", actions.stop, name="stop"),
    path("sessions/<int:session_id>/give-back/<str:symbol>/", actions.give_back, name="give-back"),
    path("sessions/<int:session_id>/close/<str:symbol>/", actions.close_position, name="close-position"),
    path("sessions/<int:session_id>/settings/", settings.change, name="settings"),
    path("sessions/<int:session_id>/settings/<int:version>/rollback/", settings.rollback, name="rollback"),
    path("sessions/<int:session_id>/parity/", actions.compare, name="parity"),
    path("bots/", bots.bot_list, name="list"),
    path("bots/new/", bots.new_bot, name="new"),
    path("bots/check/", start.check, {"kind": "bot"}, name="check-bot"),
    path("bots/templates/", templates.template_list, name="templates"),
    path("bots/templates/<slug:template>/use/", templates.use, name="template-use"),
    path("bots/templates/<slug:template>/change/", templates.change, name="template-change"),
    path("bots/templates/<slug:template>/delete/", templates.delete, name="template-delete"),
    path("bots/<int:bot_id>/", bots.detail, name="bot"),
    path("bots/<int:bot_id>/template/", templates.save, name="template-save"),
    path("bots/<int:bot_id>/edit/", bots.edit_bot, name="edit"),
    path("bots/<int:bot_id>/clone/", bots.clone, name="clone"),
    path("bots/<int:bot_id>/delete/", bots.delete, name="delete"),
    path("bots/<int:bot_id>/secrets/", secrets.save, name="secrets"),
    path("bots/<int:bot_id>/secrets/forget/", secrets.forget, name="secrets-forget"),
    path("bots/<int:bot_id>/start/", bots.start, name="start"),
]
