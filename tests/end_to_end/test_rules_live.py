"""Rules in a running gateway: readings over MQTT go in, commands, frames and signed webhooks come
out.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import webhooks
from tests.end_to_end.conftest import WAIT, house
from tests.end_to_end.daemon_process import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = base64.b64encode(b"a key of thirty-two bytes, secret").decode()


class Receiver:
    """Somebody's server; `answers` are the statuses of the next posts, then 204."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.posts: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        app = web.Application()
        app.router.add_post("/hook", self._post)
        self.server = TestServer(app)

    async def _post(self, request: web.Request) -> web.Response:
        self.posts.put_nowait((dict(request.headers), await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    async def next(self) -> tuple[dict[str, str], bytes]:
        async with asyncio.timeout(WAIT):
            return await self.posts.get()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server that takes posts."""
    made = Receiver()
    await made.server.start_server()
    yield made
    await made.server.close()


async def measure(device: Any, value: float) -> None:
    """Publish a temperature."""
    await device.publish("devices/kitchen/telemetry/temperature", json.dumps(value))


async def test_hysteresis_and_a_minimum_time(tmp_path):
    """It fires after a time beyond the bound, not at a peak; it clears at `clear`, not before."""
    rule = {
        "name": "hot", "filter": "kitchen/temperature", "above": 30, "clear": 25, "for": "400ms",
        "command": {"name": "fan", "value": 1}, "publish": {"channel": "alarm"},
    }  # fmt: skip
    async with house(tmp_path, rules=[rule]) as home:
        await home.add("kitchen")
        device = await home.device("kitchen", subscribe="devices/kitchen/commands/#")
        async with home.listen("kitchen/alarm", snapshot=False) as listening:
            for value in (31, 29):  # a peak
                await measure(device, value)
            await asyncio.sleep(0.7)
            await measure(device, 31)
            on = await listening.frame()
            message = await device.message()
            for value in (29, 31, 26, 31):  # not back at 25
                await measure(device, value)
            await measure(device, 25)
            off = await listening.frame()
        peaks = (await home.get("/history", device="kitchen", channel="temperature", order="asc"))[
            "frames"
        ]
        alarms = (await home.get("/history", device="kitchen", channel="alarm", order="asc"))[
            "frames"
        ]
        stored = (await home.get("/frames", filter="kitchen/fan", after=0))["frames"]
    assert (on["value"], off["value"], on["rule"]) == (True, False, "hot")
    assert on["ts"] - peaks[2]["ts"] >= 400
    assert [alarm["value"] for alarm in alarms] == [True, False]
    assert (message.topic, message.payload) == ("devices/kitchen/commands/fan", b"1")
    assert len({frame["id"] for frame in stored}) == 1


async def test_silence(tmp_path):
    """A channel that says nothing for a time sets it in, its next word ends it."""
    rule = {
        "name": "lost",
        "filter": "+/temperature",
        "silent": "1s",
        "publish": {"channel": "lost"},
    }
    async with house(tmp_path, rules=[rule]) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        async with home.listen("kitchen/#", snapshot=False) as listening:
            await measure(device, 20)
            heard = await listening.frame(lambda frame: frame["channel"] == "temperature")
            silent = await listening.frame(lambda frame: frame["type"] == "telemetry")
            await measure(device, 20)
            over = await listening.frame(lambda frame: frame["channel"] == "lost")
    assert (silent["channel"], silent["value"], over["value"]) == ("lost", True, False)
    assert silent["ts"] - heard["ts"] >= 1_000


async def test_a_webhook_is_signed_and_tried_again(tmp_path, receiver, monkeypatch):
    """The signature is Standard Webhooks'; what fails comes again under the same id, and order
    holds.
    """
    monkeypatch.setattr(webhooks, "PAUSE_FIRST", 0.05)
    receiver.answers = [503, 500]
    hook = {"url": str(receiver.server.make_url("/hook")), "secret": f"whsec_{SECRET}"}
    rule = {"name": "hot", "filter": "kitchen/temperature", "above": 30, "webhook": hook}
    async with house(tmp_path, rules=[rule]) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        await measure(device, 31)
        await measure(device, 29)
        posts = [await receiver.next() for _ in range(4)]
    bodies = [json.loads(body) for _, body in posts]
    assert [body["active"] for body in bodies] == [True, True, True, False]
    assert bodies[0] | {"ts": 0} == {
        "rule": "hot", "active": True, "device": "kitchen", "channel": "temperature", "ts": 0,
        "value": 31,
    }  # fmt: skip
    ids = [headers["webhook-id"] for headers, _ in posts]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    for headers, body in posts:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


async def test_a_webhook_that_nobody_takes_harms_nothing(tmp_path, receiver):
    """While it waits to be tried again, readings, other rules and the stop go on."""
    receiver.answers = [503] * 100
    hot = {"filter": "kitchen/temperature", "above": 30}
    rules = [
        {**hot, "name": "a", "webhook": {"url": str(receiver.server.make_url("/hook"))}},
        {**hot, "name": "b", "command": {"name": "fan", "value": 1}},
    ]
    async with house(tmp_path, rules=rules) as home:
        await home.add("kitchen")
        device = await home.device("kitchen", subscribe="devices/kitchen/commands/#")
        for _ in range(3):
            await measure(device, 31)
            await measure(device, 29)
            assert (await device.message()).topic == "devices/kitchen/commands/fan"
        headers, _ = await receiver.next()
    assert "webhook-signature" not in headers


def gateway(command: str, config: Path) -> list[str]:
    """Run the gateway's command, which is to end with status 2; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", command, "--config", config],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()


def test_a_mistake_stops_the_start_with_one_line(tmp_path):
    """The line names file, rule and mistake; `gateway check` says the same, and what else is
    wrong.
    """
    (tmp_path / "broken.py").write_text("import json\nthis is no Python\n")
    config = tmp_path / "gateway.toml"
    config.write_text(
        "[mqtt]\nport = 0\n[http]\nport = 0\n"
        '[[rules]]\nname = "hot"\nfilter = "kitchen/#/x"\nabove = 3\ncommand = { name = "fan" }\n'
        '[[rules]]\nname = "cold"\nfilter = "#"\nbelow = 3\n'
        'webhook = { url = "http://x/", secret = "whsec_this is no base64" }\n'
    )
    (line,) = gateway("run", config)
    assert f"{config}: [[rules]] #1 filter: 'kitchen/#/x' is no filter" in line
    with config.open("a") as file:
        file.write('[handlers]\nmodules = ["broken"]\n')
    third, first, second = gateway("check", config)
    assert line.endswith(first)
    assert second.startswith(
        f"{config}: [[rules]] #2 webhook.secret: what follows whsec_ is not base64"
    )
    assert third.startswith(
        f"{config}: [handlers] modules: cannot import broken: SyntaxError: invalid syntax"
    )
