"""The pictures of the README: `make pictures` takes them anew of a gateway with a day of
history.
"""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gateway.clock import now_ms
from gateway.simulation import simulate
from tests.bridges.web.conftest import signed_in
from tests.browser import chromium
from tests.end_to_end.conftest import house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.conftest import House

DOCS = Path(__file__).parents[1] / "docs"
SIZE = {"width": 1280, "height": 800}
DEVICES = {
    "living": ("Living room", "room"),
    "garden": ("Garden", "garden"),
    "door": ("Front door", "door"),
}
PICTURES = {
    "screenshot.png": ("/", "light", "#board .card:nth-child(3) .spark .line[d*=L]"),
    "device.png": ("/devices/living", "light", ".chart:nth-child(2) .figures div"),
}
MINUTE = 60_000  # ms


def a_day(kind: str, now: int) -> Iterator[dict[str, Any]]:
    """What a simulated device would have reported since yesterday."""
    chance = random.Random(kind)
    for minute in range(-1440, 0, 2):
        if kind == "room":
            warmth = 21 + 2 * math.sin(minute / 180) + chance.gauss(0, 0.1)
            damp = 45 + 6 * math.cos(minute / 250) + chance.gauss(0, 0.4)
            values = {
                "temperature": round(warmth, 2),
                "humidity": round(damp, 1),
                "fan": int(warmth > 22.4),
            }
        elif kind == "garden":
            light = max(0, 400 - 600 * math.cos((minute + 600) / 229) + chance.gauss(0, 20))
            values = {"soil/moisture": round(50 - minute / 160, 1), "light": round(light)}
        else:
            values = {"battery": round(100 - minute / 9000, 2), "open": False}
        if not -700 < minute < -640:  # the network was away
            yield {"ts": now + minute * MINUTE, "values": values}


async def fill(home: House, device: str, kind: str) -> None:
    """Give a device its day."""
    rows = list(a_day(kind, now_ms()))
    for place in range(0, len(rows), 200):
        url = f"{home.url}/api/v1/devices/{device}/telemetry"
        async with home.http.post(url, json=rows[place : place + 200]) as answer:
            assert answer.status == 200, await answer.text()


async def main() -> None:
    """Take them all."""
    with TemporaryDirectory() as folder:
        async with house(Path(folder)) as home, chromium() as browser, asyncio.TaskGroup() as group:
            port, tasks = home.gateway.ports["mqtt"], []
            for device, (name, kind) in DEVICES.items():
                key = await home.add(device, name=name, type=kind, owner=1)
                await fill(home, device, kind)
                tasks.append(group.create_task(simulate(device, key, kind, port=port, every=2.0)))
            for picture, (path, scheme, shown) in PICTURES.items():
                context = await browser.new_context(
                    viewport=SIZE, color_scheme=scheme, locale="en-GB"
                )
                await context.add_cookies(await signed_in(home))
                page = await context.new_page()
                await page.goto(home.url + path)
                await page.wait_for_selector(shown, state="attached")
                await page.wait_for_selector("[data-state=online]")
                await page.wait_for_load_state("networkidle")
                await page.screenshot(path=DOCS / picture)
                await context.close()
            for task in tasks:
                task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
