"""The broker without sockets: it reaches nothing outside, and tells what happens as the others do."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bots.brokers.base import Refused
from tests.brokers.rigs import D, paper, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.row("I13")
def test_it_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("a socket was opened")

    with monkeypatch.context() as closed, paper() as rig, rig.listening() as heard:
        closed.setattr(socket.socket, "connect", refuse)
        closed.setattr(socket, "create_connection", refuse)
        rig.broker.submit(rig.request("10"))
        rig.broker.cancel(rig.broker.submit(rig.limit("1", "90")))
        until(lambda: heard.fills(), "the fill")
        assert rig.broker.positions()[0].qty == 10


@pytest.mark.row("I13")
def test_no_brokers_library_is_loaded_for_it_nor_for_sessions_on_paper() -> None:
    """What PAPER and rehearsals import brings no client with which a broker could be reached."""
    code = (
        "import django; django.setup()\n"
        "import bots.brokers.paper, bots.venues.paper, bots.host.runner\n"
        "import sys; print(sorted({name.partition('.')[0] for name in sys.modules} & {'alpaca', 'binance', 'ccxt'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_refusals_are_in_the_contracts_words() -> None:
    with paper() as rig:
        for request, code in (
            (rig.request("1.5", time_in_force="gtc"), "not_fractionable"),
            (rig.request("1", symbol="NOPE"), "no_asset"),
            (rig.request("5000"), "buying_power"),
        ):
            with pytest.raises(Refused) as error:
                rig.broker.submit(request)
            assert error.value.code == code
        assert rig.account.cash == D(100_000)
