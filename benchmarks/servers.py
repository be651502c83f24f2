"""What is measured: a real gateway, or Mosquitto, as a process of its own on free ports of this
machine.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self, TypeAlias

from benchmarks.packets import Account
from gateway.access import accounts, devices, tokens
from gateway.clock import now_ms
from gateway.store.audit import By
from gateway.store.sqlite.database import open_sync
from gateway.stores import open_direct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from types import TracebackType

STARTING = 60.0  # s
STOPPING = 15.0  # s
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd")
_TICKS = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).parents[1]


class ServerFailed(Exception):
    """A server did not start; the message has the end of what it wrote."""


class Server(ABC):
    """A process that serves MQTT at `port`. Entering starts it, leaving ends it and removes its
    folder.
    """

    def __init__(self) -> None:
        self._temporary = TemporaryDirectory(prefix="gateway-benchmark-")
        self.folder = Path(self._temporary.name)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Write what the server needs to its folder and return how it is called."""

    def ports(self) -> Sequence[int]:
        """Return the ports that it listens on once it is ready."""
        return (self.port,)

    def __enter__(self) -> Self:
        try:
            with (self.folder / "log").open("wb") as output:
                self._process = subprocess.Popen(
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=_ROOT,
                )
            for port in self.ports():
                self._wait_for(port)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def memory(self) -> int:
        """Return the bytes that the process keeps in memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def cpu(self) -> float:
        """Return the processor time that it has used, in s."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _wait_for(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + STARTING
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise ServerFailed((self.folder / "log").read_text()[-2000:] or "it has not started")

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._temporary.cleanup()


class Gateway(Server):
    """A gateway with devices `b00000` and so on, and a token that reads them all.

    History on, durability full, sign-in and permissions on. `fill` writes to the database before
    the start; `extra` is added to the config; `types` are the types of the first devices; `modules`
    files beside the config.
    """

    def __init__(
        self,
        *,
        engine: str = "embedded",
        count: int = 10,
        fill: Callable[[sqlite3.Connection], None] | None = None,
        extra: str = "",
        types: Sequence[str] = (),
        modules: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.http_port = free_port()
        self.token = ""
        self.accounts: list[Account] = []
        self._engine = engine
        self._count = count
        self._fill = fill
        self._extra = extra
        self._types = types
        self._modules = modules or {}

    @property
    def listener(self) -> Account:
        """Who subscribes over MQTT."""
        return Account("token", self.token)

    def ports(self) -> Sequence[int]:
        return (self.port, self.http_port)

    def command(self) -> Sequence[str]:
        self._make_database()
        for name, text in self._modules.items():
            (self.folder / f"{name}.py").write_text(text)
        config = self.folder / "gateway.toml"
        config.write_text(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.port}\n[http]\nhost = "127.0.0.1"\n'
            f"port = {self.http_port}\n"
            f'[broker]\nengine = "{self._engine}"\n[store]\npath = "gateway.db"\n'
            f'durability = "full"\n'
            f'[limits]\nconnections = {self._count + 1_000}\n[log]\nlevel = "warning"\n'
            f"[handlers]\nmodules = {list(self._modules)}\n{self._extra}"
        )
        return (sys.executable, "-m", "gateway", "run", "--config", str(config))

    def _make_database(self) -> None:
        by = By("command line", "", now_ms())
        path = self.folder / "gateway.db"
        with open_direct(path) as store, store.transaction() as db:
            user = accounts.create(db, by, email="bench@example.org", password=None, role="admin")
            self.token = tokens.create(db, by, user=user.id, scope="read").secret
            for number in range(self._count):
                kind = self._types[number] if number < len(self._types) else ""
                issued = devices.create(db, by, id=f"b{number:05}", type=kind)
                self.accounts.append(Account(issued.record.id, issued.secret))
        if self._fill is not None:
            with closing(open_sync(path)) as db:
                self._fill(db)
        _to_disk(path)


def _to_disk(path: Path) -> None:
    """Have the disk hold the file; the gateway's first checkpoint would otherwise wait for all of
    it, and pay.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


class Mosquitto(Server):
    """Mosquitto with one device and one reader, sign-in and permissions on, and no bound on what
    waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.accounts = [Account("b00000", "a-key")]
        self.listener = Account("token", "a-token")

    def command(self) -> Sequence[str]:
        assert MOSQUITTO
        assert MOSQUITTO_PASSWD
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        for account in (*self.accounts, self.listener):
            subprocess.run(
                [MOSQUITTO_PASSWD, "-b", str(passwords), *account], check=True, capture_output=True
            )
        permissions = self.folder / "permissions"
        permissions.write_text("user token\ntopic read devices/#\npattern write devices/%u/#\n")
        permissions.chmod(0o600)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"acl_file {permissions}\nmax_queued_messages 0\nmax_queued_bytes 0\n"
            + ("user root\n" if os.geteuid() == 0 else "")
        )
        return (MOSQUITTO, "-c", str(config))


class Amqtt(Server):
    """amqtt as it comes, without the gateway's engine around it: no sign-in, no permissions, no
    history.
    """

    def __init__(self, count: int = 1) -> None:
        super().__init__()
        self.accounts = [Account(f"b{number:05}", "a-key") for number in range(count)]
        self.listener = Account("token", "a-token")

    def command(self) -> Sequence[str]:
        config = self.folder / "amqtt.yaml"
        config.write_text(
            f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{self.port}\n"
            "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n"
            "    allow_anonymous: true\n"
        )
        return (
            sys.executable,
            "-c",
            "from amqtt.scripts.broker_script import main; main()",
            "-c",
            str(config),
        )


Broker: TypeAlias = Gateway | Mosquitto | Amqtt


def free_port() -> int:
    """Return a port that nobody listens on, of those that no client is given for its own end."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
