"""History from outside: ranges, pages, buckets and files over real sockets; every entrance tells
the same.
"""

from __future__ import annotations

import asyncio
import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.conftest import house, running
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.reading import files_of_history, frames

if TYPE_CHECKING:
    from tests.end_to_end.conftest import House

START = 1_763_673_300_000  # 2025-11-20T21:15:00Z


async def post(home: House, body: Any) -> dict[str, int]:
    """Post readings of the kitchen; return what is answered."""
    async with home.http.post(
        f"{home.url}/api/v1/devices/kitchen/telemetry", json=body
    ) as response:
        assert response.status == 200, await response.text()
        return dict(await response.json())


@pytest.fixture
async def kitchen(tmp_path):
    """A gateway with 120 readings of the kitchen, one a second from START on, newest first in
    seq.
    """
    async with house(tmp_path) as home:
        await home.add("kitchen")
        await post(
            home, [{"ts": START + 1000 * n, "values": {"t": n}} for n in reversed(range(120))]
        )
        yield home


async def history(home: House, **query: Any) -> dict[str, Any]:
    """Return a page of the history of one channel."""
    return dict(await home.get("/history", device="kitchen", channel="t", **query))


def values(page: dict[str, Any]) -> list[int]:
    """Return the values of a page."""
    return [frame["value"] for frame in page["frames"]]


async def test_a_range(kitchen):
    """From start up to, not including, end; RFC 3339 with any offset and epoch ms are the same."""
    expected = list(range(10, 20))
    for start, end in (
        (START + 10_000, START + 20_000),
        ("2025-11-20T21:15:10Z", "2025-11-20T21:15:20Z"),
        ("2025-11-20T22:15:10.000+01:00", "2025-11-20T16:15:20-05:00"),
    ):
        assert values(await history(kitchen, start=start, end=end)) == expected
    assert (
        values(await history(kitchen, start=START + 10_000, end=START + 20_000, order="desc"))
        == expected[::-1]
    )


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_paging(kitchen, order):
    """Page by page until next is null gives every frame once, in order of time, whichever way."""
    await post(
        kitchen, [{"ts": START + 5_000, "values": {"t": -1}}] * 3
    )  # several at the same moment
    got: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        page = await history(kitchen, order=order, limit=7, **more)
        got += page["frames"]
        if page["next"] is None:
            break
        assert len(page["frames"]) == 7
        more = {"after": page["next"]}
    expected = sorted(got, key=lambda frame: (frame["ts"], frame["seq"]), reverse=order == "desc")
    assert got == expected
    assert len({frame["seq"] for frame in got}) == len(got) == 123


async def test_paging_by_seq(kitchen):
    """Every frame once in order of seq, also through the Link header."""
    all_frames = await frames(kitchen.http, kitchen.url, limit=7)
    assert [frame["seq"] for frame in all_frames] == sorted({frame["seq"] for frame in all_frames})
    linked: list[dict[str, Any]] = []
    url: Any = f"{kitchen.url}/api/v1/frames?after=0&limit=50"
    while url is not None:
        async with kitchen.http.get(url) as response:
            linked += (await response.json())["frames"]
            url = response.links["next"]["url"] if "next" in response.links else None
    assert linked == all_frames


async def test_buckets(kitchen):
    """Aggregates of each minute, the same as one would reckon by hand, in pages and files."""
    query = {"every": "1m", "fn": "avg,min,max,count,first,last"}
    minute = {"ts": START, "avg": 29.5, "min": 0, "max": 59, "count": 60, "first": 0, "last": 59}
    after = {
        "ts": START + 60_000,
        "avg": 89.5,
        "min": 60,
        "max": 119,
        "count": 60,
        "first": 60,
        "last": 119,
    }
    assert await history(kitchen, **query) == {"buckets": [minute, after], "next": None}
    first = await history(kitchen, **query, limit=1)
    assert first["buckets"] == [minute]
    assert (await history(kitchen, **query, after=first["next"]))["buckets"] == [after]
    lines = (await text(kitchen, **query, format="ndjson")).splitlines()
    assert [json.loads(line) for line in lines] == [minute, after]
    rows = list(csv.DictReader((await text(kitchen, **query, format="csv")).splitlines()))
    assert [(row["time"], float(row["avg"])) for row in rows] == [
        ("2025-11-20T21:15:00.000Z", 29.5),
        ("2025-11-20T21:16:00.000Z", 89.5),
    ]


async def text(home: House, **query: Any) -> str:
    """Return the history of one channel as a file."""
    params = {"device": "kitchen", "channel": "t", **query}
    async with home.http.get(f"{home.url}/api/v1/history", params=params) as response:
        assert response.status == 200, await response.text()
        return await response.text()


async def test_one_frame_at_every_entrance(kitchen):
    """A reading with the device's own time has the same keys in the same order and the same seq
    everywhere.
    """
    async with (
        kitchen.listen("kitchen/t") as listening,
        kitchen.http.get(f"{kitchen.url}/api/v1/stream?filter=kitchen/t&snapshot=false") as stream,
    ):
        await listening.frame()  # the latest
        answer = await post(kitchen, {"ts": START + 999_000, "values": {"t": 5}})
        live = await listening.frame()
        async with asyncio.timeout(10):
            while True:
                line = await stream.content.readline()
                if line.startswith(b"data: ") and json.loads(line[6:])["seq"] == answer["seq"]:
                    break
    assert list(live) == ["type", "seq", "device", "channel", "ts", "value", "received"]
    assert (live["seq"], live["ts"], live["value"]) == (answer["seq"], START + 999_000, 5)
    assert live["received"] > live["ts"]
    wire = json.dumps(live, separators=(",", ":"))
    assert line.decode().removeprefix("data: ").strip() == wire
    ndjson = await text(kitchen, format="ndjson", start=START + 999_000)
    page = await kitchen.http.get(
        f"{kitchen.url}/api/v1/frames", params={"filter": "kitchen/t", "after": live["seq"] - 1}
    )
    latest = await kitchen.http.get(f"{kitchen.url}/api/v1/devices/kitchen/latest")
    for answered in (ndjson, await page.text(), await latest.text()):
        assert wire in answered
    row = (await text(kitchen, format="csv", start=START + 999_000)).splitlines()[1]
    assert row == f"{live['seq']},2025-11-20T21:31:39.000Z,{live['ts']},kitchen,t,telemetry,5"


async def test_latest_is_by_time_then_seq(tmp_path):
    """Readings that come late do not replace newer ones, and of two at the same time the later
    stands.
    """
    async with house(tmp_path) as home:
        await home.add("kitchen")
        for ts, value, latest in ((20, "b", "b"), (10, "a", "b"), (20, "c", "c"), (19, "d", "c")):
            await post(home, {"ts": START + ts, "values": {"t": value}})
            assert (await home.get("/devices/kitchen/latest"))["t"]["value"] == latest
            async with home.listen("kitchen/t") as listening:
                assert (await listening.frame())["value"] == latest
    async with running(tmp_path) as gateway:  # after a restart
        (series,) = [s for s in gateway.core.catalog.of_device("kitchen") if s.channel == "t"]
        assert json.loads(series.latest)["value"] == "c"


async def test_a_gap_is_told_at_every_entrance(tmp_path):
    """Where history was pruned a cursor gets the same gap on WebSocket, SSE and /frames, then what
    there is.
    """
    async with house(tmp_path, history={"max_size": "2MB"}) as home:
        await home.add("kitchen")
        for number in range(100):
            await post(home, {"n": number, "blob": "x" * 50_000})
        await _prune(home)
        page = await home.get("/frames", filter="kitchen/n", after=0)
        gap, *rest = page["frames"]
        assert gap == {"type": "gap", "from": 1, "to": gap["to"]}
        assert gap["to"] > 50
        assert rest[-1]["value"] == 99
        assert [frame["value"] for frame in rest] == list(range(rest[0]["value"], 100))
        assert rest[0]["seq"] > gap["to"]
        async with home.listen("kitchen/n", since=0) as listening:
            assert [await listening.next() for _ in page["frames"]] == page["frames"]
        async with home.listen("kitchen/n", since=rest[-1]["seq"], epoch="another") as listening:
            told = await listening.next()
            assert (told["type"], told["to"]) == ("gap", gap["to"])
            assert [await listening.next() for _ in rest] == rest
        async with home.http.get(f"{home.url}/api/v1/stream?filter=kitchen/n&after=0") as stream:
            events = []
            async with asyncio.timeout(10):
                while len(events) < len(page["frames"]):
                    line = await stream.content.readline()
                    if line.startswith(b"data: "):
                        events.append(json.loads(line[6:]))
        assert events == page["frames"]


async def _prune(home: House) -> None:
    """Do at once what upkeep does in its time."""
    (upkeep,) = [task for task in asyncio.all_tasks() if task.get_name() == "upkeep"]
    upkeep.cancel()
    await asyncio.wait([upkeep])
    await home.gateway.upkeep.fold()
    await home.gateway.upkeep.prune()


async def test_a_file_is_streamed(tmp_path):
    """60 MB of frames are all in the file, and the gateway does not hold them."""
    async with daemon(tmp_path) as gateway:
        await files_of_history(gateway, 40_000, padding=1_500)
