"""The web process: `python -m tradingsite.web` serves HTTP and websockets on HOST:PORT."""

from __future__ import annotations

import django
import uvicorn

# The largest websocket message a client may send; ours are subscriptions of a few hundred bytes.
WS_MAX_BYTES = 65_536


def main() -> None:
    django.setup()
    from django.conf import settings

    uvicorn.run(
        "tradingsite.asgi:application",
        host=settings.HOST,
        port=settings.PORT,
        workers=settings.WEB_PROCESSES,
        lifespan="off",  # Django's ASGI application has none
        log_config=None,  # settings.LOGGING is in force
        access_log=False,
        server_header=False,
        ws_max_size=WS_MAX_BYTES,
        timeout_graceful_shutdown=2,
        proxy_headers=False,  # the client's address and scheme behind a proxy are read by the site, see BEHIND_PROXY
    )


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    main()
