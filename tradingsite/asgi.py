"""The web process: HTTP by Django, websockets by Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
http = get_asgi_application()  # loads the apps; everything below needs them

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from accounts.logins import of_websocket  # noqa: E402
from accounts.quotas import BYTES_IN_MB  # noqa: E402
from tradingsite.lib.bodies import BodyLimit  # noqa: E402
from tradingsite.lib.consumers import LiveConsumer  # noqa: E402


def largest_body(path: str) -> int:
    """The most bytes that a request to this path may carry: files only where files are imported."""
    takes_files = path.startswith(("/api/data/import", "/data/import"))
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE + (settings.IMPORT_MAX_MB * BYTES_IN_MB if takes_files else 0)


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http, largest_body),
        "websocket": URLRouter([path("ws/", LiveConsumer.as_asgi(find_login=of_websocket))]),
    }
)
