#!/usr/bin/env python
"""Django's command line, with this project's settings. `up` starts everything and is the one command without Django.

`--set NAME=VALUE`, anywhere on the line, is the strongest layer of settings: it beats the environment and `.env`.
"""

import os
import secrets
import sys

# These sign nothing, so they work before anybody has drawn a SECRET_KEY: each call gets one of its own.
SIGN_NOTHING = {"backtest", "strategies"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    from django.core.exceptions import ImproperlyConfigured

    from tradingsite.command_line import session_settings_file, take_settings

    argv = session_settings_file(take_settings(sys.argv))
    if argv[1:2] and argv[1] in SIGN_NOTHING and not os.environ.get("SECRET_KEY"):
        os.environ["SECRET_KEY"] = secrets.token_urlsafe(50)
    try:
        if argv[1:2] == ["up"]:
            from tradingsite.up.command import main as up

            sys.exit(up(argv[2:]))
        import tradingsite.settings  # noqa: F401  (here, so that a wrong setting is one line and no traceback)
    except ImproperlyConfigured as wrong:
        sys.exit(f"Settings: {wrong}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)


if __name__ == "__main__":
    main()
