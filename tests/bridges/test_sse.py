"""`/api/v1/stream` on a real socket: ids, and cursors of this database and of others."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from gateway.bridges.edge.door import Door
from gateway.bridges.sse import Streams


@pytest.fixture
async def streams(core):
    """The bridge alone."""
    return Streams(hub=core.hub, door=Door(core.sign_in, core.policy, core.registry))


@pytest.fixture
async def client(streams, aiohttp_client):
    """A client of the bridge."""
    app = web.Application()

    async def handle(request):
        return await streams.handle(request)

    app.router.add_get("/stream", handle)
    return await aiohttp_client(app)


@pytest.fixture
async def ann(core):
    """The headers of ann, who owns kitchen, which has three frames."""
    user = await core.user()
    await core.device("kitchen", user)
    for number in range(3):
        await core.store("kitchen", "n", str(number))
    return await core.bearer(user, "read")


async def events(response, count):
    """Return so many events: id, name, and seq of a frame or the bounds of a gap."""
    found, fields = [], {}
    async with asyncio.timeout(10):
        while len(found) < count:
            line = (await response.content.readline()).decode().rstrip("\n")
            assert line or fields or response.content, "the stream ended"
            name, _, value = line.partition(": ")
            if name in {"id", "event", "data"}:
                fields[name] = value
            elif not line and fields:
                data = json.loads(fields["data"])
                what = data.get("seq", (data.get("from"), data.get("to")))
                found.append((fields["id"], fields["event"], what))
                fields = {}
    return found


async def test_an_id_names_the_database(core, client, ann):
    """`{epoch}-{seq}`, which resumes as `Last-Event-ID` and as `after`; so does a bare seq."""
    epoch = core.hub.epoch
    expected = [(f"{epoch}-{seq}", "telemetry", seq) for seq in (2, 3)]
    for cursor in (f"{epoch}-1", "1"):
        async with client.get("/stream", headers={**ann, "Last-Event-ID": cursor}) as response:
            assert await events(response, 2) == expected
        async with client.get(f"/stream?after={cursor}", headers=ann) as response:
            assert await events(response, 2) == expected
    async with client.get(f"/stream?after=1&epoch={epoch}", headers=ann) as response:
        assert await events(response, 2) == expected


@pytest.mark.parametrize(
    ("header", "query"),
    [
        ("elsewhere-1", ""),
        ("elsewhere-900", ""),
        ("900", ""),
        ("not ours", ""),
        (None, "?after=1&epoch=elsewhere"),
        (None, "?after=elsewhere-1"),
        (None, "?after=900"),
    ],
)
async def test_a_cursor_of_another_database_begins_with_a_gap(core, client, ann, header, query):
    """A browser resumes with what it has after a restore: it is told, and gets what there is."""
    headers = ann if header is None else {**ann, "Last-Event-ID": header}
    async with client.get(f"/stream{query}", headers=headers) as response:
        assert response.status == 200
        epoch = core.hub.epoch
        assert await events(response, 4) == [
            (f"{epoch}-0", "gap", (0, 0)),
            *[(f"{epoch}-{seq}", "telemetry", seq) for seq in (1, 2, 3)],
        ]


async def test_a_future_cursor_of_this_database(core, client, ann):
    """What was shown and is not there any more: the stream says so."""
    cursor = {"Last-Event-ID": f"{core.hub.epoch}-900"}
    async with client.get("/stream", headers={**ann, **cursor}) as response:
        assert [event[1] for event in await events(response, 2)] == ["gap", "telemetry"]
