#!/usr/bin/env python
"""Django's command line, with this project's settings. `up` starts everything and is the one command without Django.

`--set NAME=VALUE`, anywhere on the line, is the strongest layer of settings: it beats the environment and `.env`.
"""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    from django.core.exceptions import ImproperlyConfigured

    from tradingsite.command_line import session_settings_file, take_settings

    argv = session_settings_file(take_settings(sys.argv))
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
