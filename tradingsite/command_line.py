"""`--set NAME=VALUE`: the strongest layer of settings, taken off the command line before anything reads a setting."""

from __future__ import annotations

import os
import re

given: set[str] = set()  # names set on this process's command line


def take_settings(argv: list[str]) -> list[str]:
    """Put each `--set NAME=VALUE` of `argv` into the environment; returns `argv` without them.

    Raises SystemExit with a plain message when a pair cannot be read.
    """
    rest, words = [], iter(argv)
    for word in words:
        if word != "--set" and not word.startswith("--set="):
            rest.append(word)
            continue
        pair = word.removeprefix("--set=") if word != "--set" else next(words, "")
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise SystemExit(f"--set needs NAME=VALUE with a name from .env.example, not {name!r}")
        os.environ[name] = value
        given.add(name)
    return rest


def session_settings_file(argv: list[str]) -> list[str]:
    """`backtest --settings FILE` as the command's own option.

    Django takes --settings for the name of a Python module before any command sees it; in front of a backtest it is the
    file of session settings. The module is set by the environment (DJANGO_SETTINGS_MODULE) where that is needed.
    """
    if argv[1:2] != ["backtest"]:
        return argv
    name, own = "--settings", "--session-settings"
    return [own + word.removeprefix(name) if word == name or word.startswith(f"{name}=") else word for word in argv]
