"""History by time, buckets and files."""

import csv
import io
import json
from types import SimpleNamespace

import pytest
from aiohttp import ClientConnectionError, ClientPayloadError

from gateway.access import devices

API = "/api/v1"


@pytest.fixture
async def reader(core):
    """The headers of ann, who owns kitchen."""
    ann = await core.user()
    await core.device("kitchen", ann)
    return await core.bearer(ann, "read")


async def get(client, query, headers):
    """Return what /history answers."""
    async with client.get(f"{API}/history?{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json(), response


async def fill(core, count, step=1000, channel="t"):
    """Store numbers, one every `step` ms."""
    for number in range(count):
        await core.store("kitchen", channel, str(number), ts=number * step)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_by_time_give_every_frame_once(core, client, reader, order):
    """In order of time, whatever the order they came in, and across equal times."""
    for number in range(20):
        await core.store("kitchen", "ab"[number % 2], str(number), ts=(number * 7) % 10)
    found, after, pages = [], "", 0
    while after is not None:
        page, response = await get(client, f"device=kitchen&limit=3&order={order}{after}", reader)
        found += [(frame["ts"], frame["seq"]) for frame in page["frames"]]
        after = f"&after={page['next']}" if page["next"] else None
        assert ("next" in response.links) == (after is not None)
        pages += 1
    assert found == sorted(found, reverse=order == "desc")
    assert len(set(found)) == 20
    assert pages == 7


async def test_a_range_is_from_start_to_before_end_in_either_form(core, client, reader):
    """RFC 3339 with any offset, a + that was not encoded, and epoch ms mean the same."""
    await fill(core, 10)
    ranges = [
        "start=3000&end=5000",
        "start=1970-01-01T00:00:03Z&end=1970-01-01T00:00:05.000Z",
        "start=1970-01-01T01:00:03+01:00&end=1969-12-31T19:00:05-05:00",
    ]
    for given in ranges:
        page, _ = await get(client, f"device=kitchen&channel=t&{given}", reader)
        assert [frame["value"] for frame in page["frames"]] == [3, 4]


async def test_buckets(core, client, reader):
    """Each function over each bucket; empty buckets are left out; pages go on where they ended."""
    await fill(core, 6)
    await core.store("kitchen", "t", "100", ts=3_600_000)
    query = "device=kitchen&channel=t&every=3s&fn=avg,min,max,count,first,last"
    page, _ = await get(client, query, reader)
    assert page == {
        "next": None,
        "buckets": [
            {"ts": 0, "avg": 1, "min": 0, "max": 2, "count": 3, "first": 0, "last": 2},
            {"ts": 3000, "avg": 4, "min": 3, "max": 5, "count": 3, "first": 3, "last": 5},
            {
                "ts": 3_600_000,
                "avg": 100,
                "min": 100,
                "max": 100,
                "count": 1,
                "first": 100,
                "last": 100,
            },
        ],
    }
    first, response = await get(client, f"{query}&limit=2", reader)
    async with client.get(response.links["next"]["url"].path_qs, headers=reader) as response:
        second = await response.json()
    assert first["buckets"] + second["buckets"] == page["buckets"]


async def test_many_buckets_are_read_in_stretches(core, client, reader):
    """More than one read has, sparse ones too."""
    await fill(core, 300, step=2000)
    page, _ = await get(client, "device=kitchen&channel=t&every=1s&fn=last", reader)
    assert page["buckets"] == [{"ts": number * 2000, "last": number} for number in range(300)]


async def test_ndjson_is_the_whole_range_line_by_line(core, client, reader):
    """Each line is the frame as it is, over many pages."""
    await fill(core, 2500)
    async with client.get(
        f"{API}/history?device=kitchen&format=ndjson", headers=reader
    ) as response:
        assert response.content_type == "application/x-ndjson"
        lines = (await response.read()).splitlines()
    assert [json.loads(line)["value"] for line in lines] == list(range(2500))
    async with client.get(
        f"{API}/history?device=kitchen&format=ndjson&limit=1200", headers=reader
    ) as response:
        assert len((await response.read()).splitlines()) == 1200


async def test_csv_holds_text_as_text_and_no_formula(core, client, reader):
    """Strings lose their quotes, numbers stay, and what a spreadsheet would run gets a ' before
    it.
    """
    for value in ('"on"', "-1.5", '"=HYPERLINK(1)"', '{"a": 1}', '"a,\\"b\\n"'):
        await core.store("kitchen", "t", value, ts=1000)
    async with client.get(f"{API}/history?device=kitchen&format=csv", headers=reader) as response:
        assert (response.content_type, response.charset) == ("text/csv", "utf-8")
        rows = list(csv.DictReader(io.StringIO(await response.text(), newline="")))
    assert [row["value"] for row in rows] == ["on", "-1.5", "'=HYPERLINK(1)", '{"a": 1}', 'a,"b\n']
    assert rows[0]["time"] == "1970-01-01T00:00:01.000Z"
    assert (rows[0]["seq"], rows[0]["device"], rows[0]["channel"], rows[0]["type"]) == (
        "1",
        "kitchen",
        "t",
        "telemetry",
    )


async def test_buckets_as_csv(core, client, reader):
    """One row a bucket."""
    await fill(core, 4)
    query = "device=kitchen&channel=t&every=2s&fn=max,last&format=csv"
    async with client.get(f"{API}/history?{query}", headers=reader) as response:
        rows = list(csv.reader(io.StringIO(await response.text())))
    assert rows == [
        ["time", "ts", "max", "last"],
        ["1970-01-01T00:00:00.000Z", "0", "1.0", "1"],
        ["1970-01-01T00:00:02.000Z", "2000", "3.0", "3"],
    ]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", ["device"]),
        ("device=kitchen&start=yesterday&end=5x", ["start", "end"]),
        ("device=kitchen&start=5&end=5", ["end"]),
        ("device=kitchen&every=1m", ["channel"]),
        ("device=kitchen&every=0s&channel=t", ["every"]),
        ("device=kitchen&every=1m&channel=t&fn=median", ["fn"]),
        ("device=kitchen&every=1m&channel=t&order=desc", ["order"]),
        ("device=kitchen&fn=avg", ["fn"]),
        ("device=kitchen&after=abc", ["after"]),
        ("device=kitchen&order=up", ["order"]),
        ("device=kitchen&format=xml", ["format"]),
        ("device=kitchen&limit=10001", ["limit"]),
        ("device=kitchen&chanel=t", ["chanel"]),
        ("device=kitchen&channel=a/%23", ["channel"]),
    ],
)
async def test_what_is_wrong_is_named(client, reader, query, fields):
    """Every wrong parameter at once."""
    async with client.get(f"{API}/history?{query}", headers=reader) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, sorted(said["fields"])) == (400, sorted(fields))


async def test_who_may_not_see_a_device_finds_none(core, client, reader):
    """Another's device is as one that is not there."""
    await core.device("cellar", await core.user("bob@example.org"))
    for device in ("cellar", "nowhere"):
        async with client.get(f"{API}/history?device={device}", headers=reader) as response:
            assert response.status == 404


async def test_head_answers_without_a_body(core, client, reader):
    """HEAD is GET without what follows the headers."""
    await fill(core, 3)
    for form in ("json", "ndjson"):
        async with client.head(
            f"{API}/history?device=kitchen&format={form}", headers=reader
        ) as response:
            assert (response.status, await response.read()) == (200, b"")
    assert (await client.get("/healthz")).status == 200


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("format_", ["json", "ndjson"])
async def test_a_page_of_json_ends_at_a_megabyte(core, client, reader, order, format_):
    """However many frames were asked for; `next` goes on, and nothing is left out. Files go on by
    themselves.
    """
    for number in range(12):
        await core.store("kitchen", "t", f'"{"x" * 250_000}"', ts=number)
    query = f"device=kitchen&limit=1000&order={order}"
    if format_ == "ndjson":
        async with client.get(f"{API}/history?{query}&format=ndjson", headers=reader) as response:
            assert len((await response.text()).splitlines()) == 12
        return
    found, after = [], ""
    while after is not None:
        page, response = await get(client, query + after, reader)
        assert response.content_length < 1_500_000
        found += [frame["ts"] for frame in page["frames"]]
        after = f"&after={page['next']}" if page["next"] else None
    assert found == sorted(range(12), reverse=order == "desc")


async def test_an_export_ends_when_the_device_is_given_away(core, client, routes, reader):
    """What the next owner's device sends is not in it."""
    bob = await core.user("bob@example.org")
    for number in range(3):
        await core.store("kitchen", "t", f'"{"x" * 1_000_000}"', ts=number)
    history = next(route.handler.__self__ for route in routes if route.path.endswith("/history"))
    read, pages = history._store.by_time, []

    async def by_time(*args, **kwargs):
        rows = await read(*args, **kwargs)
        pages.append(rows)
        if len(pages) == 2:
            await core.do(devices.change, "kitchen", owner=bob)
        return rows

    history._store = SimpleNamespace(by_time=by_time)
    with pytest.raises((ClientPayloadError, ClientConnectionError)):
        async with client.get(
            f"{API}/history?device=kitchen&format=ndjson", headers=reader
        ) as response:
            await response.read()
    assert len(pages) == 2
