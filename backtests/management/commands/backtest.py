"""`manage.py backtest`: run one backtest here and now, print a summary, and optionally write the whole result as JSON.

With --file it reads bars from a CSV or Parquet file and needs no database row and no Redis; without, it reads the bars
of the platform's store. Faults in the input end it with status 2, one line each on stderr.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from backtests.runner import RunConfig, clean
from backtests.runner.chosen import between, choose
from backtests.runner.config import FIRST_DAY
from engine.errors import Fault, InputError

if TYPE_CHECKING:
    from backtests.runner import RunResult
    from engine import Bars
    from marketdata.services import LoadedBars

_MAX_JSON_BYTES = 1_000_000
_EPOCH = date(1970, 1, 1)
_DAY_NS = 86_400_000_000_000


class Command(BaseCommand):
    help = "Run a backtest and print its figures."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--strategy", help="slug in the catalogue (see: manage.py strategies)")
        parser.add_argument("--custom-strategy", type=int, metavar="ID", help="a custom strategy (with --user: theirs)")
        parser.add_argument(
            "--conditions", type=Path, metavar="FILE", help="JSON object of condition trees: buy, sell, short, cover"
        )
        parser.add_argument(
            "--symbol", action="append", default=[], help="may be repeated, or A,B,C; with --file optional"
        )
        parser.add_argument("--start", help="first day, YYYY-MM-DD; default: as far as the data go")
        parser.add_argument("--end", help="last day, included; default: as far as the data go")
        parser.add_argument("--days", type=int, help="the last so many calendar days, up to --end")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="strategy parameter")
        parser.add_argument(
            "--file", type=Path, help="CSV or Parquet with time, open, high, low, close, volume[, symbol]"
        )
        parser.add_argument("--calendar", default="XNYS", help="exchange hours of the file's bars: XNYS or 24/7")
        parser.add_argument(
            "--signals", type=Path, help="CSV with time, symbol, signal: trade these instead of a strategy"
        )
        # On the command line this is --settings (see tradingsite.command_line.session_settings_file).
        parser.add_argument(
            "--session-settings", type=Path, metavar="FILE", help="same as --settings FILE: a JSON object"
        )
        parser.add_argument("--preset", help="conservative, standard or active")
        parser.add_argument("--shares-per-trade", type=int, help="fixed size of each entry")
        parser.add_argument("--capital", help="initial capital; default 100000")
        parser.add_argument("--timeframe", help="1s 1m 5m 15m 1h 4h 1d; default 1d, with --file the file's own")
        parser.add_argument("--match-timeframe", help="match orders on finer bars than it decides on")
        parser.add_argument("--benchmark", help="symbol to compare with; default: the run's own symbols, held")
        parser.add_argument("--alone", action="store_true", help="each symbol on its own share of the capital")
        parser.add_argument("--source", help="source of the bars, or auto; default sample")
        parser.add_argument("--adjustment", help="split_dividend (default), split or raw")
        parser.add_argument("--user", help="also see the private imports of this user")
        parser.add_argument(
            "--news", type=Path, help="CSV or JSON of news for a strategy that reads them; default: the stored ones"
        )
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the whole result here (- for stdout)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            config, result = self._run(options)
        except InputError as error:
            lines = [f"{f.path or 'input'}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults]
            raise CommandError("\n".join(lines), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from None
        to_stdout = str(options["json"]) == "-"
        if not to_stdout:
            self.stdout.write(_table(config, result))
        if options["json"] is not None:
            out = sys.stdout if to_stdout else options["json"].open("w", encoding="utf-8")
            with out:
                json.dump(result.to_dict(), out, allow_nan=False)

    def _run(self, options: Mapping[str, Any]) -> tuple[RunConfig, RunResult]:
        from backtests.runner import execute, given

        payload = _payload(options)
        stored = options["file"] is None
        read = {} if stored else _from_file(options, payload)
        config = clean(payload, signals_given=options["signals"] is not None)
        if stored:
            finer, sources = None, None
            if config.match_timeframe:
                finer = _from_store(config, config.symbols, config.match_timeframe, options)
                sources = finer.sources
            bars = _from_store(config, config.symbols, config.timeframe, options, sources).bars
            matching = finer.bars if finer else None
        else:
            bars, matching = choose(read, config, symbols_path="--symbol", days_path="--start")
        benchmark = None
        if config.benchmark:
            source = _from_store(config, (config.benchmark,), config.timeframe, options).bars if stored else read
            if config.benchmark not in source:
                raise InputError(Fault("benchmark", "not_found", f"The file has no {config.benchmark}"))
            benchmark = source[config.benchmark]
        if options["days"] is not None:
            first = _last_days(bars, config, options["days"])
            bars = {symbol: between(series, first, None, "--days") for symbol, series in bars.items()}
            if matching is not None:
                matching = {symbol: between(series, first, None, "--days") for symbol, series in matching.items()}
        bars = _with_news(config, bars, options)
        signals = given.read_signals(options["signals"], bars) if options["signals"] else None
        return config, execute.run(config, bars, match_bars=matching, benchmark=benchmark, signals=signals)


def _payload(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the body of POST /api/backtest/run."""
    payload: dict[str, Any] = {
        **_strategy(options),
        "symbols": [part for text in options["symbol"] for part in text.split(",") if part] or None,
        "start_date": options["start"],
        "end_date": options["end"],
        "preset": options["preset"],
        "shares_per_trade": options["shares_per_trade"],
        "timeframe": options["timeframe"],
        "match_timeframe": options["match_timeframe"],
        "benchmark": options["benchmark"],
        "symbols_alone": options["alone"],
        "source": options["source"],
        "adjustment": options["adjustment"],
    }
    if options["days"] is not None and options["start"] is not None:
        raise InputError(Fault("--days", "conflict", "--start is given as well", "Give one of the two"))
    if options["days"] is not None and options["days"] < 1:
        raise InputError(Fault("--days", "out_of_range", f"{options['days']} is out of range", "At least 1"))
    if options["capital"] is not None:
        payload["initial_capital"] = _number(options["capital"])
    if options["param"]:
        payload["strategy_parameters"] = _parameters(options["strategy"], options["param"])
    if options["session_settings"] is not None:
        payload["settings"] = _json(options["session_settings"], "--settings", "settings")
    return {key: value for key, value in payload.items() if value is not None}


def _strategy(options: Mapping[str, Any]) -> dict[str, Any]:
    """Which strategy is meant: by its slug, by the id of a custom one, or as a file of conditions."""
    ways = ("strategy", "custom_strategy", "conditions", "signals")
    named = [f"--{way.replace('_', '-')}" for way in ways if options[way] is not None]
    if len(named) > 1:
        raise InputError(Fault(named[-1], "conflict", f"{named[0]} is given as well", "Give one of the two"))
    if options["conditions"] is not None:
        sent = _json(options["conditions"], "--conditions", "--conditions")
        if not isinstance(sent, dict):
            hint = 'Write {"buy": …, "sell": …}'
            raise InputError(Fault("--conditions", "wrong_type", "The file holds no object", hint))
        return {"strategy": "conditions", "strategy_parameters": _trees(sent)}
    if options["custom_strategy"] is not None:
        return _custom(options["custom_strategy"], options["user"])
    return {"strategy": options["strategy"]}


def _trees(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Trees by the names of the parameters; a file may also hold what the API answers (buy_conditions, …)."""
    columns = {f"{name}_conditions": name for name in ("buy", "sell", "short", "cover")}
    found = {columns[name]: tree for name, tree in sent.items() if name in columns}
    return found or dict(sent)


def _custom(key: int, username: str | None) -> dict[str, Any]:
    from strategies.models import CustomStrategy
    from strategies.services import gate
    from tradingsite.lib.errors import Unprocessable

    whose = {} if username is None else {"owner__username": username}
    row = CustomStrategy.objects.filter(pk=key, **whose).first() if 0 < key < 2**63 else None
    if row is None:
        raise InputError(Fault("--custom-strategy", "not_found", "There is no such custom strategy"))
    try:
        gate.refuse_unfit(row, row.parameters)
    except Unprocessable as refusal:
        raise InputError(refusal.faults) from None
    return {**gate.with_custom({}, row), "custom_strategy_id": row.pk}


def _number(text: str) -> float | int:
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise InputError(Fault("--capital", "not_a_number", f"{text[:60]!r} is not a number")) from None


def _parameters(slug: str | None, pairs: list[str]) -> dict[str, Any]:
    from strategies import catalogue

    texts = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise InputError(Fault("--param", "malformed", f"{pair[:60]!r} has no =", "Write --param window=20"))
        if name in texts:
            raise InputError(Fault(f"--param {name}", "duplicate_key", "It is given twice", "Give it once"))
        texts[name] = value
    strategy = catalogue.get(slug)
    try:
        parsed = strategy.parse(texts)
    except InputError as error:
        raise error.under("strategy_parameters") from None
    return {name: param.json(parsed[name]) for name, param in strategy.params.items()}


def _json(path: Path, option: str, root: str) -> Any:
    """The values of a JSON file. Raises InputError; paths begin with `root`."""
    from strategies.conditions import MAX_JSON_DEPTH
    from tradingsite.lib.parsers import parse_json

    if path.stat().st_size > _MAX_JSON_BYTES:
        raise InputError(Fault(option, "too_large", f"{path} has more than {_MAX_JSON_BYTES:,} bytes"))
    try:
        return parse_json(path.read_bytes(), max_depth=MAX_JSON_DEPTH)
    except InputError as error:
        raise error.under(root) from None


def _from_file(options: Mapping[str, Any], payload: dict[str, Any]) -> dict[str, Bars]:
    """Bars of --file; puts symbols and timeframe that were not asked for into the payload as the file has them."""
    from marketdata.files import read_bars

    symbols = [symbol.upper() for symbol in payload.get("symbols", [])]
    read = read_bars(options["file"], symbol=symbols[0] if len(symbols) == 1 else None, calendar=options["calendar"])
    read = {symbol.upper(): bars for symbol, bars in read.items()}
    payload.setdefault("symbols", sorted(read))
    payload.setdefault("timeframe", next(iter(read.values())).timeframe)
    payload["source"] = "file"
    return read


def _from_store(
    config: RunConfig,
    symbols: tuple[str, ...],
    timeframe: str,
    options: Mapping[str, Any],
    chosen: Mapping[str, str] | None = None,
) -> LoadedBars:
    from marketdata.services import load_bars

    return load_bars(
        list(symbols),
        timeframe,
        config.start_date or FIRST_DAY,
        config.end_date or datetime.now(UTC).date(),
        source=config.source,
        adjustment=config.adjustment,
        owner=_owner(options),
        chosen=chosen,
    )


def _owner(options: Mapping[str, Any]) -> Any:
    from accounts.models import User

    if not options["user"]:
        return None
    owner = User.objects.filter(username=options["user"]).first()
    if owner is None:
        raise InputError(Fault("--user", "not_found", "There is no such user"))
    return owner


def _with_news(config: RunConfig, bars: dict[str, Bars], options: Mapping[str, Any]) -> dict[str, Bars]:
    """The bars with the news that the strategy reads: those of --news, else the stored ones for stored bars."""
    from strategies import catalogue

    names = catalogue.get(config.strategy)(**config.strategy_parameters).extras() if config.strategy else ()
    if options["news"] is not None:
        from marketdata.news import services
        from marketdata.news.series import Known, attach

        try:
            items = services.read(
                options["news"].read_bytes(),
                symbol=config.symbols[0] if len(config.symbols) == 1 else "",
                most=services.MAX_ITEMS_BY_COMMAND,
                max_bytes=services.MAX_BYTES_BY_COMMAND,
            )
        except InputError as error:
            raise error.under("--news") from None
        news = services.known(items)
        return {symbol: attach(series, news.get(symbol, Known.of(())), names) for symbol, series in bars.items()}
    if options["file"] is None and names:
        from marketdata.news.selectors import with_news

        return with_news(names, bars, _owner(options))
    return bars


def _last_days(bars: Mapping[str, Bars], config: RunConfig, days: int) -> date:
    """The first of the last `days` calendar days up to the end asked for, or to the last bar there is."""
    last = config.end_date or _EPOCH + timedelta(days=max(int(series.ts[-1]) // _DAY_NS for series in bars.values()))
    return last - timedelta(days=days - 1)


def _table(config: RunConfig, result: RunResult) -> str:
    """The summary that people read."""
    rows = [(entry["label"], entry["text"]) for entry in result.headline()]
    width = max(len(label) for label, _ in rows)
    what = config.strategy or "given signals"
    lines = [
        f"{what} on {', '.join(config.symbols[:8])}{' …' if len(config.symbols) > 8 else ''}, {config.timeframe} bars"
    ]
    lines += [f"  {label:<{width}}  {text:>16}" for label, text in rows]
    return "\n".join(lines)
