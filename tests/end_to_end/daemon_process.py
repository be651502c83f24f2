"""A gateway in a process of its own, on ports that stay the same, so that it can be killed and
started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from gateway.access import accounts, devices, tokens
from gateway.store.audit import By
from gateway.stores import open_direct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
BY = By("test", "", 1)


def _free_port() -> int:
    """Return a free port below those that outgoing connections get.

    While a gateway is down, one of its clients that tries again and again could otherwise be given
    its very port, and be connected to itself.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class DaemonProcess:
    """`gateway run` with a config and a database of its own, and an admin's token."""

    def __init__(self, directory: Path, config: str) -> None:
        directory.mkdir(exist_ok=True)
        self.config = directory / "gateway.toml"
        self.database = directory / "data" / "gateway.db"
        self.log = directory / "gateway.log"
        self.ports = {"mqtt": _free_port(), "http": _free_port()}
        self.config.write_text(
            "".join(
                f'[{name}]\nhost = "127.0.0.1"\nport = {port}\n'
                for name, port in self.ports.items()
            )
            + config
        )
        with open_direct(self.database) as store, store.transaction() as db:
            user = accounts.create(db, BY, email="admin@example.com", password=None, role="admin")
            self.token = tokens.create(db, BY, user=user.id, scope="admin").secret
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", "--config", str(self.config),
                env=environment, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            line = await self._process.stdout.readline()
        assert b"is running" in line, self.log.read_text()

    async def add(self, device: str, **more: object) -> str:
        """Make a device the way the command line does; return its key once the gateway knows it."""
        with open_direct(self.database) as store, store.transaction() as db:
            key = devices.create(db, BY, id=device, **more).secret
        async with aiohttp.ClientSession(headers=self.headers) as session, asyncio.timeout(5):
            while True:
                async with session.get(f"{self.url}/api/v1/devices/{device}") as response:
                    if response.status == 200:
                        return key
                await asyncio.sleep(0.05)

    def memory(self) -> int:
        """Return its resident memory in KB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def limit_files(self, size: int) -> None:
        """Let no file be written past `size` bytes: the kernel refuses as a full disk does."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        """Send SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> None:
        """Return when it has ended."""
        assert self._process is not None
        await self._process.communicate()

    async def restart(self) -> None:
        """Wait until it has ended, and start it again on the same ports."""
        await self.ended()
        await self.start()

    async def stop(self) -> int:
        """Send SIGTERM, if it still runs; return the exit status."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        async with asyncio.timeout(20):
            await self._process.communicate()
        return int(self._process.returncode or 0)


@contextlib.asynccontextmanager
async def daemon(directory: Path, config: str = "") -> AsyncIterator[DaemonProcess]:
    """Run a gateway; `config`: more tables of gateway.toml."""
    process = DaemonProcess(directory, config)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
