"""RabbitMQ in the place of Redis for the queues: that the client goes out with our options, as far as a greeting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GREETING = b"AMQP\x00\x00\x09\x01"  # of AMQP 0-9-1, which a client says first
SEND = "import django; django.setup(); from backtests.sweeps import tasks; print('sent:', tasks.enqueue())"


@pytest.mark.row("P9")
def test_another_broker_than_redis_is_a_setting_and_one_that_hangs_up_holds_up_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        env = {
            **os.environ,
            "VAR_DIR": str(tmp_path),
            "CELERY_BROKER_URL": f"amqp://tw:hunter2@127.0.0.1:{broker.getsockname()[1]}//",  # not-a-secret
        }
        with subprocess.Popen(
            [sys.executable, "-c", SEND], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as program:
            broker.settimeout(60)
            client, _ = broker.accept()
            with client:
                client.settimeout(60)
                heard = client.recv(len(GREETING), socket.MSG_WAITALL)
            broker.close()
            said, errors = program.communicate(timeout=120)
    assert heard == GREETING
    assert said.strip().endswith("sent: False"), errors
    assert "hunter2" not in said + errors
