"""The Python examples and the page, run as their heads say, against a running gateway."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.browser import browsing
from tests.end_to_end.conftest import WAIT, house
from tests.end_to_end.daemon_process import ROOT
from tests.programs import needs_chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXAMPLES = ROOT / "examples"


@asynccontextmanager
async def example(name: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an example until it is interrupted; it is to end well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLES / name, *map(str, arguments),
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), WAIT) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_raspberry_pi(tmp_path):
    """It reports its load, obeys its two commands with replies, and says goodbye."""
    async with house(tmp_path) as home, home.listen("attic/#") as listening:
        key, port = await home.add("attic"), home.gateway.ports["mqtt"]
        options = (
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--interval",
            3600,
            "--keep-in",
            tmp_path / "unsent.db",
        )
        async with example("raspberry_pi.py", "attic", key, *options):
            load = await listening.frame(lambda frame: frame["channel"] == "load")
            for name, value in (("led", True), ("interval", 0.5)):
                url = f"{home.url}/api/v1/devices/attic/commands/{name}?wait=10"
                async with home.http.post(url, json=value) as response:
                    assert (await response.json())["reply"] == value
            assert (await listening.frame(lambda frame: frame["channel"] == "load"))["ts"] > load[
                "ts"
            ]
        offline = await listening.frame(
            lambda frame: frame["type"] == "presence" and frame["value"] == "offline"
        )
        assert offline["reason"] == "goodbye"


async def test_the_listener(tmp_path):
    """It prints what the API has, one JSON object a line."""
    async with house(tmp_path) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        await device.publish("devices/kitchen/telemetry/t", "21.5")
        async with (
            example("listener.py", home.url, home.token, "kitchen/t") as process,
            asyncio.timeout(WAIT),
        ):
            assert process.stdout is not None
            assert json.loads(await process.stdout.readline())["value"] == 21.5
            await device.publish("devices/kitchen/telemetry/t", "22")
            printed = json.loads(await process.stdout.readline())
            assert printed == (await home.get("/devices/kitchen/latest"))["t"]


async def test_the_thermostat(tmp_path):
    """A board that sends its temperature has its heater switched, with half a degree either way."""
    shutil.copy(EXAMPLES / "thermostat_handler.py", tmp_path)
    async with house(tmp_path, handlers={"modules": ["thermostat_handler"]}) as home:
        await home.add("living-room", type="thermostat")
        board = await home.device("living-room", subscribe="devices/living-room/commands/#")
        switched = []
        for temperature in (20, 20.9, 22):
            await board.publish(
                "devices/living-room/telemetry", json.dumps({"temperature": temperature})
            )
            if temperature != 20.9:
                message = await board.message()
                switched.append((message.topic.rsplit("/")[-1], message.payload))
        assert switched == [("heater", b"1"), ("heater", b"0")]
        assert board.messages.empty()


@needs_chromium
async def test_the_page(tmp_path):
    """Opened from a file: it signs in with a token, shows values as they come, and a command's
    reply.
    """
    async with house(tmp_path) as home, browsing() as tab:
        await home.add("kitchen")
        device = await home.device("kitchen", subscribe="devices/kitchen/commands/#")
        await tab.page.goto((EXAMPLES / "browser.html").as_uri())
        await tab.until("document.forms.length === 2 && document.readyState === 'complete'")
        for form, fields in (
            ("connect", {"url": home.url, "token": home.token}),
            ("command", {"device": "kitchen"}),
        ):
            for name, value in fields.items():
                await tab.page.evaluate(
                    f"document.getElementById('{form}').elements['{name}'].value = "
                    f"{json.dumps(value)}"
                )
        await tab.page.evaluate("document.getElementById('connect').requestSubmit()")
        await tab.until("document.getElementById('state').textContent === 'connected'")
        await device.publish("devices/kitchen/telemetry/t", '"<b>21.5</b>"')
        await tab.until(
            r"document.getElementById('latest').textContent.includes('\"<b>21.5</b>\"')"
        )
        await tab.page.evaluate("document.getElementById('command').elements['name'].value = 'led'")
        await tab.page.evaluate("document.getElementById('command').requestSubmit()")
        assert (await device.message()).payload == b"1"
        await device.publish("devices/kitchen/replies/led", '"on"')
        await tab.until(r"document.getElementById('state').textContent === 'reply: \"on\"'")
        assert tab.complaints == []
