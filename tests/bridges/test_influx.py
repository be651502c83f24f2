"""Line protocol over HTTP, as the InfluxDB clients send it, on a real socket."""

from __future__ import annotations

import asyncio
import gzip
import io

import aiohttp
import pytest
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from gateway.bridges.influx import BODY, MOST_LINES
from tests.bridges.conftest import basic
from tests.end_to_end.conftest import house

TS = 1_763_673_303_125


@pytest.fixture
async def home(tmp_path):
    """A gateway with a kitchen and a hall."""
    async with house(tmp_path) as here:
        await here.add("kitchen")
        await here.add("hall")
        yield here


async def write(home, lines, path="/api/v2/write", headers=None, **query):
    """Write lines without any other sign-in than the headers; return status and answer."""
    body = io.BytesIO(lines if isinstance(lines, bytes) else lines.encode())
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{home.url}{path}", params=query, data=body, headers=headers) as response,
    ):
        said = await response.json() if response.content_type == "application/json" else None
        return response.status, said


def token(home):
    """The header that Telegraf's v2 output sends."""
    return {"Authorization": f"Token {home.token}"}


async def frames(home, device):
    """What is kept of a device's telemetry, by channel: time and value."""
    page = await home.get("/history", device=device, type="telemetry")
    return {frame["channel"]: (frame["ts"], frame["value"]) for frame in page["frames"]}


async def test_lines_of_many_devices_are_stored_once_answered(home):
    """204, and everything is there: numbers, truths, texts, the device's time, tags as levels."""
    lines = (
        f'weather,device=kitchen temperature=21.5,open=t,note="a \\"b\\"",n=3i {TS}000000\n'
        f"# a comment\r\n\r\ncpu,cpu=cpu0,host=hall value=1u {TS}999999\n"
    )
    assert await write(home, lines, headers=token(home)) == (204, None)
    assert await frames(home, "kitchen") == {
        "weather/temperature": (TS, 21.5),
        "weather/open": (TS, True),
        "weather/note": (TS, 'a "b"'),
        "weather/n": (TS, 3),
    }
    assert await frames(home, "hall") == {"cpu/cpu0": (TS, 1)}


@pytest.mark.parametrize(
    ("unit", "time", "ms"),
    [
        ("ns", 1_763_673_303_125_999_999, TS),
        ("n", 1_763_673_303_125_000_000, TS),
        ("us", 1_763_673_303_125_999, TS),
        ("u", 1_763_673_303_125_000, TS),
        ("ms", TS, TS),
        ("s", 1_763_673_303, TS - 125),
        ("m", 29_394_555, 1_763_673_300_000),
        ("h", 489_909, 1_763_672_400_000),
    ],
)
async def test_precision(home, unit, time, ms):
    """Those of both versions, to the millisecond."""
    sent = await write(
        home, f"t value=1 {time}", "/write", basic("kitchen", home.keys["kitchen"]), precision=unit
    )
    assert sent == (204, None)
    assert await frames(home, "kitchen") == {"t": (ms, 1)}


async def test_every_way_to_sign_in(home):
    """Token and Bearer with a token, Token DEVICE:KEY, Basic, and `u` and `p` of the query; a
    device needs no tag.
    """
    key = home.keys["kitchen"]
    ways = [
        ({"Authorization": f"Token {home.token}"}, {}),
        ({"Authorization": f"Bearer {home.token}"}, {}),
        ({"Authorization": f"Token kitchen:{key}"}, {}),
        (basic("kitchen", key), {}),
        (basic("token", home.token), {}),
        ({}, {"u": "kitchen", "p": key}),
        ({}, {"u": "anybody", "p": home.token}),
    ]
    for number, (headers, query) in enumerate(ways):
        tag = "" if number in {2, 3, 5} else ",device=kitchen"
        assert await write(home, f"way{number}{tag} value=1", headers=headers, **query) == (
            204,
            None,
        )
    assert await frames(home, "kitchen") == {
        f"way{number}": (ts, 1)
        for number, (ts, _) in enumerate((await frames(home, "kitchen")).values())
    }
    assert len(await frames(home, "kitchen")) == len(ways)


async def test_who_may_not_write(home):
    """401 and the error form of InfluxDB for nobody and for a wrong key; nothing is stored."""
    for headers in ({}, {"Authorization": "Token gwt_wrong"}, {"Authorization": "Token short"}):
        status, said = await write(home, "t,device=kitchen value=1", headers=headers)
        assert (status, said["code"]) == (401, "unauthorized")
        assert said["message"] == said["error"]
    assert await frames(home, "kitchen") == {}


async def test_good_lines_are_stored_and_bad_ones_told_and_kept(home):
    """A partial write: an unknown device, another's device, a line that is none, a time far
    ahead.
    """
    lines = "\n".join(
        [
            "t value=1",
            "t,device=attic value=2",
            "t,device=hall value=3",
            "this is no line",
            "t value=4 99999999999999",
            "u value=5",
        ]
    )
    status, said = await write(
        home, lines, headers=basic("kitchen", home.keys["kitchen"]), precision="ms"
    )
    assert (status, said["code"]) == (400, "invalid")
    assert said["message"].startswith(
        "partial write: 2 values are stored, 4 lines are not: line 2:"
    )
    assert [value for _, value in (await frames(home, "kitchen")).values()] == [1, 5]
    assert await frames(home, "hall") == {}
    kept = (await home.get("/rejected"))["rejected"]
    assert sorted(item["reason"][:7] for item in kept) == [
        "line 2:",
        "line 3:",
        "line 4:",
        "line 5:",
    ]
    assert {item["topic"] for item in kept} == {"api/v2/write"}


async def test_a_line_without_a_device(home):
    """A token is no device: the line says which, or is told so."""
    status, said = await write(home, "t value=1", headers=token(home))
    assert status == 400
    assert "give the line a tag device=ID" in said["message"]


async def test_a_read_token_writes_nothing(home):
    """Rights are per device, as anywhere."""
    async with home.http.post(f"{home.url}/api/v1/tokens", json={"scope": "read"}) as response:
        reads = (await response.json())["token"]
    status, said = await write(
        home, "t,device=kitchen value=1", headers={"Authorization": f"Token {reads}"}
    )
    assert (status, said["code"]) == (400, "invalid")
    assert await frames(home, "kitchen") == {}


async def test_gzip_and_its_bombs(home):
    """A compressed body is read; one that grows above the limit is 413, a broken one 400."""
    packed = {**token(home), "Content-Encoding": "gzip"}
    good = gzip.compress(b"t,device=kitchen value=1")
    assert await write(home, good, headers=packed) == (204, None)
    bomb = gzip.compress(b"\n" * (64 << 20))
    status, said = await write(home, bomb, headers=packed)
    assert (status, said["code"]) == (413, "request too large")
    status, said = await write(home, b"this is no gzip", headers=packed)
    assert (status, said["code"]) == (400, "invalid")
    assert len(await frames(home, "kitchen")) == 1


async def test_bodies_above_the_bounds(home):
    """So many bytes, so many lines; 413 and 400, nothing stored."""
    status, said = await write(home, b"x" * (BODY + 1), headers=token(home))
    assert (status, said["code"]) == (413, "request too large")
    many = "t,device=kitchen value=1\n" * (MOST_LINES + 1)
    status, said = await write(home, many, headers=token(home))
    assert (status, said["code"]) == (400, "invalid")
    status, said = await write(home, b"\xff", headers=token(home))
    assert status == 400
    status, said = await write(home, "", headers=token(home), precision="years")
    assert "precision is one of" in said["message"]
    assert await frames(home, "kitchen") == {}


async def test_while_storing_fails_the_client_keeps_its_lines(home):
    """503 with Retry-After, and `/health` says so."""
    home.gateway.core.intake.refusal = "disk is full"
    async with home.http.get(f"{home.url}/health") as response:
        assert (response.status, (await response.json())["status"]) == (503, "fail")
    url = f"{home.url}/write"
    async with home.http.post(url, data=b"t,device=kitchen value=1") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
    home.gateway.core.intake.refusal = None


async def test_ping_health_and_the_making_of_a_database(home):
    """What clients ask before they write."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{home.url}/ping") as response:
            assert (response.status, "X-Influxdb-Version" in response.headers) == (204, True)
        async with session.get(f"{home.url}/ping?verbose=true") as response:
            assert (response.status, list(await response.json())) == (200, ["version"])
        async with session.get(f"{home.url}/health") as response:
            assert (response.status, (await response.json())["status"]) == (200, "pass")
        async with session.post(f"{home.url}/query", data={"q": "CREATE DATABASE x"}) as response:
            assert response.status == 401
    async with home.http.post(f"{home.url}/query", data={"q": 'CREATE DATABASE "x"'}) as response:
        assert await response.json() == {"results": [{"statement_id": 0}]}
    async with home.http.post(f"{home.url}/query?q=SELECT+1") as response:
        assert response.status == 400


async def test_the_python_client_as_it_is(home):
    """It pings, writes points with gzip, and reads what is wrong from the answer."""

    def work():
        with InfluxDBClient(home.url, token=home.token, org="home", enable_gzip=True) as client:
            assert client.ping()
            api = client.write_api(write_options=SYNCHRONOUS)
            point = Point("room").tag("device", "kitchen").field("temperature", 21.25)
            api.write("bucket", record=point.time(TS, WritePrecision.MS))
            with pytest.raises(ApiException) as refused:
                api.write("bucket", record="room,device=attic temperature=1")
            return refused.value

    refused = await asyncio.to_thread(work)
    assert (refused.status, "no device 'attic'" in refused.message) == (400, True)
    assert await frames(home, "kitchen") == {"room/temperature": (TS, 21.25)}
