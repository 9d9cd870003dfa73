"""What README and docs name is there: links, commands with their options, modules, files, addresses, settings."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = {"var", "bench-out"}  # folders that running makes
OURS = {path.name for path in ROOT.iterdir() if path.is_dir()} - WRITTEN
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def code_of(page: Path) -> Iterator[str]:
    """Each line of its fenced blocks, and each span of code."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M):
        yield from block.replace("\\\n", " ").splitlines()
    yield from (
        span.replace("\n", " ")
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.S))
    )


def options_of(line: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line.partition("|")[0]))


@cache
def parser_of(name: str) -> argparse.ArgumentParser:
    """Of a management command."""
    return load_command_class(get_commands()[name], name).create_parser("manage.py", name)


@PAGE
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ours = [target.partition("#")[0] for target in targets if not target.startswith(("http", "#"))]
    assert [target for target in ours if not (page.parent / target).exists()] == []


@PAGE
def test_commands_exist_with_the_options_that_are_named(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    missing: list[str] = []
    for line in code_of(page):
        if (made := re.match(r"make ([a-z-]+)", line)) and made[1] not in targets:
            missing.append(line)
        for name, rest in re.findall(r"manage\.py (?:--set \S+ )?([a-z_]+)([^#]*)", line):
            if name == "up":
                continue  # the one without Django; `test_up` has it
            if name not in get_commands():
                missing.append(line)
            else:
                unknown = options_of(rest) - set(parser_of(name)._option_string_actions)
                missing += [f"{name} {option}" for option in unknown]
        for name, rest in re.findall(r"python3? -m ([\w.]+)([^#]*)", line):
            source = ROOT / Path(*name.split("."))
            files = [*source.glob("*.py")] if source.is_dir() else [source.with_suffix(".py")]
            if name.partition(".")[0] not in OURS or not all(file.exists() for file in files):
                missing.append(line)
                continue
            text = "\n".join(file.read_text(encoding="utf-8") for file in files)
            missing += [f"{name} {option}" for option in options_of(rest) if f'"{option}"' not in text]
    assert missing == []


@PAGE
def test_files_and_modules_exist(page: Path) -> None:
    missing = []
    for line in code_of(page):
        if not re.fullmatch(r"[\w-]+(/[\w.-]+)+/?", line) or line.partition("/")[0] not in OURS:
            continue
        module, _, name = line.rpartition(".")  # `bots/live/reconcile.look`
        source = ROOT / f"{module}.py"
        found = source.exists() and re.search(rf"^(def |class )?{name}\b", source.read_text(encoding="utf-8"), re.M)
        if not found and not any(
            path.exists() for path in (ROOT / line, ROOT / f"{line}.py", ROOT / "templates" / line)
        ):
            missing.append(line)
    assert missing == []


@PAGE
def test_addresses_are_answered(page: Path) -> None:
    missing = set()
    for line in code_of(page):
        for address in re.findall(r"(?<![\w/.}>-])(/(?:api|backtests|inbox|operators)\b[\w./{}-]*)", line):
            path = re.sub(r"\{\w+\}", "1", address)
            candidates = (path, path + "/", re.sub(r"/1(?=/|$)", f"/{'0' * 8}-{'0000-' * 3}{'0' * 12}", path))
            for candidate in candidates:
                try:
                    resolve(candidate)
                    break
                except Resolver404:
                    continue
            else:
                missing.add(address)
    assert not missing


@PAGE
def test_settings_exist(page: Path) -> None:
    known = {"NAME", "TEST_DATABASE"}  # any; of this suite
    known |= set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M))
    for file in (ROOT / "Makefile", *ROOT.glob("compose*.yaml")):
        known |= set(re.findall(r"\$[{(]([A-Z][A-Z0-9_]+)", file.read_text(encoding="utf-8")))
    known |= set(re.findall(r"\$([A-Z]+)", page.read_text(encoding="utf-8")))  # an example's own
    named = {name for line in code_of(page) for name in re.findall(r"(?:^| )([A-Z][A-Z0-9_]+)=", line)}
    assert named - known == set()
