"""The real Prometheus beside ours: the same data, the same queries, the same answers; and it
scrapes
`/metrics/values`.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import shutil
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.end_to_end.conftest import house
from tests.programs import program

pytestmark = [pytest.mark.interop, program("prometheus"), program("promtool")]

START = 1_763_673_300
DEVICES, CHANNELS, EVERY, COUNT = ("kitchen", "hall"), ("temperature", "hum.idity"), 17, 400
END = START + EVERY * COUNT
SELECTED = [
    "value",
    'value{device="kitchen"}',
    'value{device=~"kit.*|attic",channel!="temperature"}',
    'value{device!~"h.+l"}',
    '{channel="temperature"}',
    'value{none=""}',
    "nothing",
    'value{device="attic"}',
]
QUERIES = [
    *SELECTED,
    *(f"{name}_over_time(value[2m])" for name in ("avg", "min", "max", "last", "count")),
    'avg_over_time(value{channel="temperature"}[1h30m])',
    "count_over_time(value[17s])",
    *(f"{name}(value)" for name in ("sum", "avg", "min", "max")),
    *(f"{name} by (device) (value)" for name in ("sum", "avg", "min", "max")),
    "sum(avg_over_time(value[5m])) by (channel, none)",
    "value * 9 / 5 + 32",
    "1 - value",
    "-value",
    "(value - 5) * 0",
    "value / 0",
    "sum(value) / 2",
    "1 + 2 * 3 - 4 / 5",
    "0 / 0",
    "1e3 + .5",
]


def readings():
    """Random walks with two gaps, the same each time: (device, channel) to [(s, value)]."""
    dice = random.Random(7)
    for device in DEVICES:
        for channel in CHANNELS:
            value, row = 20.0, []
            for n in range(COUNT):
                value = round(value + dice.uniform(-1, 1), 2)
                if not (100 < n < 130 or 200 < n < 202):
                    row.append((START + n * EVERY, value))
            yield (device, channel), row


@asynccontextmanager
async def prometheus(directory, config="{}"):
    """Run the real one on a free port."""
    (directory / "prometheus.yml").write_text(config)
    process = await asyncio.create_subprocess_exec(
        shutil.which("prometheus"),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        "--storage.tsdb.retention.time=100y",
        "--web.listen-address=127.0.0.1:0",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield await asyncio.wait_for(_address(process.stderr), 60), process
    finally:
        process.terminate()
        await asyncio.gather(process.stderr.read(), process.wait())


async def _address(log):
    """Read its log until it listens and is ready."""
    url = None
    while line := (await log.readline()).decode():
        if found := re.search(r'msg="Listening on" address=(\S+)', line):
            url = f"http://{found[1]}"
        if "ready to receive web requests" in line:
            return url
    raise AssertionError("Prometheus has ended")


@pytest.fixture(scope="module")
def lines():
    """The readings as OpenMetrics text."""
    body = [
        f'value{{device="{device}",channel="{channel}"}} {value} {time}\n'
        for (device, channel), row in readings()
        for time, value in row
    ]
    return "# TYPE value gauge\n" + "".join(body) + "# EOF\n"


async def test_the_same_answers(tmp_path, lines):
    """Every query, at one time and over ranges with short and long steps."""
    (tmp_path / "lines.txt").write_text(lines)
    making = await asyncio.create_subprocess_exec(
        shutil.which("promtool"), "tsdb", "create-blocks-from", "openmetrics",
        str(tmp_path / "lines.txt"), str(tmp_path / "tsdb"), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await making.wait() == 0
    async with prometheus(tmp_path) as (theirs, _), house(tmp_path) as home:
        for device in DEVICES:
            await home.add(device)
        for (device, channel), row in readings():
            body = [{"ts": time * 1000, "values": {channel: value}} for time, value in row]
            url = f"{home.url}/api/v1/devices/{device}/telemetry"
            async with home.http.post(url, json=body) as response:
                assert response.status == 200
        ours = f"{home.url}/prometheus"
        asked = [
            ("query", {"query": query, "time": str(time)})
            for query in QUERIES
            for time in (START, START + 100.5, START + 115 * EVERY, END + 300, END + 400)
        ]
        asked += [
            (
                "query_range",
                {"query": query, "start": str(START - 60), "end": str(END + 400), "step": step},
            )
            for query in QUERIES
            for step in ("15", "17.5", "5m", "1000")
        ]
        for path, given in asked:
            expected, found = [await _ask(home.http, base, path, given) for base in (theirs, ours)]
            assert same(found, expected), (path, given, found, expected)
        for path in ("labels", "label/device/values", "label/__name__/values"):
            assert await _ask(home.http, ours, path, {}) == await _ask(home.http, theirs, path, {})


async def _ask(session, base, path, given):
    async with session.get(f"{base}/api/v1/{path}", params=given) as response:
        said = await response.json()
        assert said["status"] == "success", (base, given, said)
    data = said["data"]
    if isinstance(data, dict) and data["resultType"] in {"matrix", "vector"}:
        data["result"].sort(key=lambda row: sorted(row["metric"].items()))
    return data


def same(ours, theirs):
    """Equal, numbers in the last digits or so: they do not round sums as we do."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if ours == theirs:
        return True
    try:
        return math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-9)
    except (TypeError, ValueError):
        return False


async def test_it_scrapes_the_values(tmp_path):
    """With a token, and finds what channels sent."""
    async with house(tmp_path) as home:
        await home.add("kitchen")
        url = f"{home.url}/api/v1/devices/kitchen/telemetry"
        async with home.http.post(url, json={"temperature": 21.5, 'odd"\\name': True}) as response:
            assert response.status == 200
        config = (
            "scrape_configs: [{job_name: gateway, scrape_interval: 1s, metrics_path: "
            "/metrics/values,"
            f" authorization: {{credentials: {home.token}}},"
            f" static_configs: [{{targets: ['127.0.0.1:{home.gateway.ports['http']}']}}]}}]"
        )
        async with prometheus(tmp_path, config) as (theirs, _), aiohttp.ClientSession() as session:
            found = await asyncio.wait_for(_scraped(session, theirs), 60)
    assert found == {"temperature": "21.5", 'odd"\\name': "1"}


async def _scraped(session, base):
    """Ask until the first scrape is there."""
    while True:
        data = await _ask(session, base, "query", {"query": 'value{device="kitchen"}'})
        if data["result"]:
            return {row["metric"]["channel"]: row["value"][1] for row in data["result"]}
        await asyncio.sleep(0.2)
