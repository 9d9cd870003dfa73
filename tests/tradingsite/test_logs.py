"""Log lines: their form, the request id, and the secrets that never reach them."""

import io
import json
import logging
import logging.config

import pytest
import structlog

from tradingsite.logs import MASK, logging_config, redact


@pytest.fixture
def lines():
    """Log through the real configuration into a text; yields a function that returns the lines written so far."""
    config, out = logging_config("json", "INFO"), io.StringIO()
    config["handlers"]["stderr"]["stream"] = out
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logging.config.dictConfig(config)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers[:], root.level = before


def test_a_line_is_one_json_object_with_time_level_and_fields(lines):
    structlog.get_logger("backtests").info("run finished", bars=2520)
    logging.getLogger("plain").warning("%s of %s", 1, 2, extra={"symbol": "AAPL"})
    first, second = lines()
    assert first["event"] == "run finished"
    assert (first["bars"], first["level"], first["logger"]) == (2520, "info", "backtests")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["symbol"], second["level"]) == ("1 of 2", "AAPL", "warning")


CANARY = "c4naryS3cretValue"


@pytest.mark.parametrize(
    "write",
    [
        lambda log: log.info("login", password=CANARY),
        lambda log: log.info("call", headers={"Authorization": f"Bearer {CANARY}", "X": "1"}),
        lambda log: log.info("call", nested=[{"api_key": CANARY}]),
        lambda log: log.info(f"GET /x with Authorization: Bearer {CANARY}"),
        lambda log: log.info(f"connecting to postgres://tw:{CANARY}@db/tw"),
        lambda log: log.info(f"?token={CANARY}&page=2"),
        lambda log: log.info(f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}"),
        lambda log: logging.getLogger("plain").error("key %s", f"secret_key={CANARY}"),
        lambda log: logging.getLogger("plain").error("sent", extra={"cookie": CANARY}),
    ],
)
def test_secrets_are_masked_wherever_they_stand(lines, write):
    write(structlog.get_logger("any"))
    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert MASK in json.dumps(line, ensure_ascii=False)


def test_secrets_in_a_traceback_are_masked(lines):
    try:
        raise ConnectionError(f"redis://:{CANARY}@host:6379 refused")
    except ConnectionError:
        logging.getLogger("plain").exception("no connection")
    (line,) = lines()
    assert "ConnectionError" in line["exception"]
    assert CANARY not in json.dumps(line)


def test_ordinary_words_stay(lines):
    text = "12 tokens left; http://127.0.0.1:8000/a@b; password change page; authorization checked"
    assert redact(text) == text


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="LOG_FORMAT is json or console"):
        logging_config("xml", "INFO")


@pytest.mark.django_db
def test_the_request_id_of_an_answer_stands_in_its_log_lines(client, lines, monkeypatch):
    monkeypatch.setattr(
        "tradingsite.health.shutil.disk_usage", lambda _: logging.getLogger("probe").warning("seen") or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        client.get("/health")
    seen = next(line for line in lines() if line["event"] == "seen")
    assert len(seen["request_id"]) == 32
