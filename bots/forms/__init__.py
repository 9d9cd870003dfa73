"""Forms of sessions and bots: text as people type it ↔ the bodies that `bots.services` takes."""

from bots.forms.bots import BotForm
from bots.forms.session_settings import SettingsForm
from bots.forms.sessions import SessionForm

__all__ = ["BotForm", "SessionForm", "SettingsForm"]
