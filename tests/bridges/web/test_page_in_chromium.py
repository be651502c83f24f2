"""The board in a real browser, on a real gateway: in by a link, values live, and back after a
restart.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import aiohttp
import pytest

from gateway.access import accounts, devices, links
from gateway.config.load import build
from gateway.daemon import Gateway
from gateway.store.audit import By

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# fmt: off
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
]
# fmt: on
WAIT = 20.0  # s
NAME = "<img src=x onerror=\"document.title='markup'\">"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Tab:
    """A page in the browser, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = count(1)
        self._session: str | None = None

    async def open(self) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")

    async def close_browser(self) -> None:
        self._session = None
        await self.call("Browser.close")

    async def call(self, method: str, **params):
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        await self._socket.send_json({"id": number, "method": method, "params": params, **session})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message) -> None:
        """Keep what scripts or the Content-Security-Policy complain about; a lost connection is
        none of that.
        """
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]))
        elif (
            message.get("method") == "Log.entryAdded"
            and message["params"]["entry"]["source"] == "security"
        ):
            self.complaints.append(message["params"]["entry"]["text"])

    async def do(self, script: str):
        """Run a script; return its value."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str) -> None:
        """Return when a condition holds on the page, which may be on its way to another one."""
        script = f"(() => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }})()"
        async with asyncio.timeout(WAIT):
            while not await self.do(script):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def browsing(folder: Path):
    """Start Chromium with a new profile; yield a tab."""
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank", stdout=null, stderr=null
    )
    try:
        async with asyncio.timeout(WAIT):
            port, path = await _door(folder / "DevToolsActivePort")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{port}{path}") as socket,
        ):
            tab = Tab(socket)
            await tab.open()
            yield tab
            await tab.close_browser()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _door(file: Path) -> list[str]:
    while not file.exists() or len(file.read_text().split()) < 2:
        await asyncio.sleep(0.02)
    return file.read_text().split()


def config(path: Path, http_port: int = 0):
    """The configuration of a gateway on loopback."""
    given = {
        "http": {"host": "127.0.0.1", "port": http_port},
        "mqtt": {"host": "127.0.0.1", "port": 0},
        "store": {"path": str(path / "gateway.db"), "durability": "normal"},
    }
    return build(given, {}, path / "gateway.toml")


async def report(url: str, key: str, **values) -> None:
    """Post telemetry as the device."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/v1/devices/kitchen/telemetry", json=values) as answer,
    ):
        assert answer.status == 200, await answer.text()


def shows(value: str) -> str:
    """The condition that some channel on the board has this value."""
    return f"[...document.querySelectorAll('.value')].some((each) => each.textContent === {json.dumps(value)})"


async def test_the_board(tmp_path):
    """A one-time link signs in, values appear as they are sent, and go on after the gateway has
    been away.
    """
    by = By("test", "", 1)
    async with browsing(tmp_path / "profile") as tab:
        async with Gateway(config(tmp_path)) as gateway:
            url, port = gateway.url, gateway.ports["http"]
            user = await gateway.registry.apply(
                accounts.create, by, email="ann@example.org", password=None
            )
            made = await gateway.registry.apply(
                devices.create, by, id="kitchen", name=NAME, owner=user.id
            )
            by_link = By("test", "", made.record.created + 10**13)  # the link lasts
            link = await gateway.registry.apply(links.sign_in, by_link, user.id)

            await tab.call("Page.navigate", url=f"{url}/sign-in?link={link.secret}")
            await tab.until("document.querySelector('#link button:enabled')")
            await tab.do("document.querySelector('#link button').click()")
            await tab.until("location.pathname === '/' && document.body.dataset.link === 'live'")
            await tab.until("document.querySelector('.card h2')")
            assert await tab.do("document.querySelector('.card h2').firstChild.data") == NAME

            await report(url, made.secret, temperature=21.5, note="<b>bold</b>")
            await tab.until(shows("21.5"))
            await tab.until(shows("<b>bold</b>"))
            await report(url, made.secret, temperature=22.5)
            await tab.until(shows("22.5"))
            await tab.until(
                "document.querySelector('.spark path').getAttribute('d').startsWith('M')"
            )
            await tab.until("document.querySelector('.card').dataset.online === 'online'")
        await tab.until("document.body.dataset.link === 'lost'")
        async with Gateway(config(tmp_path, port)):
            await tab.until("document.body.dataset.link === 'live'")
            await report(url, made.secret, temperature=23.5)
            await tab.until(shows("23.5"))
        assert await tab.do("document.querySelectorAll('.card').length") == 1
        assert await tab.do("document.title") == "Now · Gateway"
        assert tab.complaints == []


async def test_lines(tmp_path):
    """A line has a gap where values are missing for long, and a dot where one stands alone."""
    async with browsing(tmp_path / "profile") as tab, Gateway(config(tmp_path)) as gateway:
        await tab.call("Page.navigate", url=f"{gateway.url}/sign-in")
        await tab.until("document.querySelector('#sign-in')")

        async def path(points) -> str:
            drawn = await tab.do(
                f"import('/static/line.js').then((line) => line.pathOf({json.dumps(points)}))"
            )
            return str(drawn)

        assert await path([]) == ""
        assert await path([[7, 3]]) == "M7 10.00h0"
        assert await path([[1, 0], [2, 10], [3, 5]]) == "M1 20.00h0L2 0.00L3 10.00"
        assert (
            await path([[5, 0], [10, 1], [15, 0]]) == "M5 20.00h0L10 0.00L15 20.00"
        )  # every five minutes: no gap
        assert (await path([[1, 0], [2, 1], [3, 0], [20, 1]])).count("M") == 2
