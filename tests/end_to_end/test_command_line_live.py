"""`gateway tail`, `gateway send`, `gateway simulate` and `gateway history` against a running
gateway.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.conftest import WAIT, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def home(tmp_path):
    """A house whose config file the command line finds."""
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    async with house(tmp_path) as here:
        await here.add("kitchen")
        yield here


@asynccontextmanager
async def command(directory: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command for the time of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, "--json",
        cwd=directory, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Return the next object that a command prints."""
    assert process.stdout is not None
    return json.loads(await asyncio.wait_for(process.stdout.readline(), WAIT))


async def frame(process: asyncio.subprocess.Process, wanted: str) -> dict[str, Any]:
    """Return the next frame of a type."""
    while (found := await line(process))["type"] != wanted:
        continue
    return found


async def test_tail_and_send(home, tmp_path):
    """`tail` shows the command that `send` sends, and ends with exit status 0 when it is
    interrupted.

    Each leaves its sign-in in the audit, and none that failed: that would hold back the answers to
    the next ones.
    """
    path = f"{home.url}/api/v1/devices/kitchen/telemetry"
    async with home.http.post(path, json={"temperature": 21.4}) as response:
        assert response.status == 200
    await home.gateway.access.journal.flush()
    before = len((await home.get("/audit"))["audit"])
    async with command(tmp_path, "tail", "kitchen/#") as tail:
        assert (await frame(tail, "telemetry"))["value"] == 21.4
        async with command(tmp_path, "send", "kitchen", "led", '{"on": true}') as send:
            sent = await line(send)
            assert await asyncio.wait_for(send.wait(), WAIT) == 0
        assert (sent["device"], sent["name"], sent["value"]) == ("kitchen", "led", {"on": True})
        shown = await frame(tail, "command")
        assert (shown["id"], shown["channel"], shown["value"]) == (sent["id"], "led", {"on": True})
        tail.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(tail.wait(), WAIT) == 0
    await home.gateway.access.journal.flush()
    audit = (await home.get("/audit"))["audit"]
    deeds = [(e["action"], e["detail"].get("name")) for e in audit[: len(audit) - before]]
    operator = ("sign in", "command line, as admin@example.com")
    assert sorted(deeds) == [("command", "led"), operator, operator]


async def test_what_waits_is_listed_and_cancelled(home, tmp_path):
    """`command list` shows what a device that is away will get, `command cancel` takes it back,
    once, and `command show` tells it.
    """
    async with command(tmp_path, "send", "kitchen", "led", "1") as send:
        sent = await line(send)
    async with command(tmp_path, "command", "list", "kitchen") as listing:
        assert await line(listing) == sent
    async with command(tmp_path, "command", "cancel", sent["id"]) as cancel:
        cancelled = await line(cancel)
        assert cancelled == sent | {"state": "failed", "error": "cancelled"}
    async with command(tmp_path, "command", "cancel", sent["id"]) as again:
        assert await asyncio.wait_for(again.wait(), WAIT) == 1
    async with command(tmp_path, "command", "show", sent["id"]) as show:
        assert await line(show) == cancelled
    async with command(tmp_path, "command", "list", "kitchen") as listing:
        assert listing.stdout is not None
        assert await listing.stdout.read() == b""


async def test_simulate_and_history(home, tmp_path):
    """`simulate` says which devices it runs; what they publish over MQTT is in the history that
    `history` prints.
    """
    async with command(tmp_path, "simulate", "--devices", "2", "--every", "0.05") as simulate:
        assert (await line(simulate))["devices"] == ["sim-1", "sim-2"]
        async with home.listen("sim-1/#") as listening:
            shown = await listening.frame(lambda found: found["type"] == "telemetry")
        simulate.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(simulate.wait(), WAIT) == 0
    async with command(tmp_path, "history", "sim-1", shown["channel"]) as history:
        assert history.stdout is not None
        printed = [json.loads(text) for text in (await history.stdout.read()).splitlines()]
        assert await history.wait() == 0
    assert shown in printed


async def test_a_new_device_is_let_in_at_once(home, tmp_path):
    """When `device add` has ended, the key that it printed is good; nobody has to try twice."""
    for number in range(3):
        async with command(tmp_path, "device", "add", f"new-{number}") as add:
            added = await line(add)
            home.keys[added["device"]] = added["key"]
            assert await asyncio.wait_for(add.wait(), WAIT) == 0
        await home.device(added["device"])
