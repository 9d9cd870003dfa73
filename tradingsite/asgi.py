"""The web process: HTTP by Django, websockets by Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
http = get_asgi_application()  # loads the apps; everything below needs them

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from accounts.logins import of_websocket  # noqa: E402
from tradingsite.lib.consumers import LiveConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter([path("ws/", LiveConsumer.as_asgi(find_login=of_websocket))]),
    }
)
