"""Series for charts: columns of the smallest step that fits, or the values themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import abouts
from gateway.bridges.http.series import MOST_SERIES, STEPS, step_for
from gateway.store.history import Span
from gateway.store.keeping import Keeping
from gateway.store.sqlite.store import SqliteStore

API = "/api/v1"
MINUTE = 60_000


@pytest.fixture
async def reader(core):
    """The headers of ann, who owns kitchen; hall is somebody else's."""
    ann = await core.user()
    await core.device("kitchen", ann)
    await core.device("hall", await core.user("bob@example.org"))
    return await core.bearer(ann, "read")


async def get(client, headers, query, status=200):
    """Return what /series answers."""
    async with client.get(f"{API}/series?{query}", headers=headers) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def fill(core, count, channel="t"):
    """Store a number a second from 1,000,000 s on."""
    for number in range(count):
        await core.store("kitchen", channel, str(number), ts=1_000_000_000 + 1000 * number)


async def test_few_values_come_as_they_are(core, client, reader):
    """Up to 2 * points values: step 0, each channel with its own times; booleans are 0 and 1."""
    await fill(core, 6)
    for ts, value in ((5, "true"), (3, "false"), (9, '"on"')):
        await core.store("kitchen", "b", value, ts=ts)
    found = await get(client, reader, "device=kitchen&channel=t&channel=b&points=3")
    assert (found["start"], found["end"], found["step"]) == (3, 1_000_005_001, 0)
    t, b = found["series"]
    assert t == {
        "device": "kitchen", "channel": "t", "unit": None,
        "t": [1_000_000_000 + 1000 * n for n in range(6)], "value": [0, 1, 2, 3, 4, 5],
    }  # fmt: skip
    assert (b["t"], b["value"]) == ([3, 5, 9], [0, 1, "on"])


async def test_buckets_of_the_smallest_step(core, client, reader):
    """More values than 2 * points: columns, null where there is nothing, exact at both ends."""
    await fill(core, 30)
    found = await get(client, reader, "series=kitchen/t&start=999999000&end=1000028500&points=6")
    assert found["step"] == 10_000
    assert found["t"] == [999_990_000, 1_000_000_000, 1_000_010_000, 1_000_020_000]
    assert found["series"][0] == {
        "device": "kitchen", "channel": "t", "unit": None,
        "min": [None, 0, 10, 20], "avg": [None, 4.5, 14.5, 24],
        "max": [None, 9, 19, 28], "count": [None, 10, 10, 9],
    }  # fmt: skip


async def test_texts_have_their_last(core, client, reader):
    """A channel of texts has no numbers; one that has both gets all columns."""
    for n in range(9):
        await core.store("kitchen", "mode", f'"m{n}"', ts=n * MINUTE)
        await core.store("kitchen", "mixed", '"x"' if n % 2 else str(n), ts=n * MINUTE)
    query = "device=kitchen&channel=mode&channel=mixed&points=3&start=0&end=540000"
    found = await get(client, reader, query)
    assert found["step"] == 5 * MINUTE
    mode, mixed = found["series"]
    assert (mode["last"], mode["count"]) == (["m4", "m8"], [5, 4])
    assert "min" not in mode
    assert (mixed["last"], mixed["max"], mixed["count"]) == ([4, 8], [4, 8], [5, 4])


async def test_repeats_count_once(core, client, reader):
    """A frame with the device's own time that was sent again is drawn once, and counted once."""
    for n in range(4):
        await core.store("kitchen", "t", str(n // 2), ts=1000 * (n // 2), extra=',"received":1')
    found = await get(client, reader, "device=kitchen&channel=t")
    assert found["series"][0]["value"] == [0, 1]


async def test_units_and_all_channels(core, client, reader):
    """Units are those of the device's announcement; without a channel it is all that have
    values.
    """
    said = {"channels": {"a": {"unit": "°C"}}}
    await core.do(abouts.announce, "kitchen", said)
    await core.store("kitchen", "b", "1", ts=1)
    await core.store("kitchen", "a", "1", ts=1)
    found = await get(client, reader, "device=kitchen")
    assert [(s["channel"], s["unit"]) for s in found["series"]] == [("a", "°C"), ("b", None)]


async def test_a_channel_without_values(core, client, reader):
    """It has empty columns, and a span without values has nulls."""
    found = await get(client, reader, "device=kitchen&channel=t&start=5&end=9")
    assert (found["step"], found["series"][0]["value"]) == (0, [])
    assert (await get(client, reader, "device=kitchen"))["series"] == []


async def test_an_answer_that_has_not_changed(core, client, reader):
    """Its ETag makes it 304, until a late reading changes it."""
    await fill(core, 3)
    url = f"{API}/series?device=kitchen&channel=t&start=0&end=2000000000"
    async with client.get(url, headers=reader) as response:
        etag = response.headers["ETag"]
    known = {**reader, "If-None-Match": etag}
    async with client.get(url, headers=known) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == etag
    await core.store("kitchen", "t", "7", ts=5)
    async with client.get(url, headers=known) as response:
        assert response.status == 200
        assert response.headers["ETag"] != etag


@pytest.mark.parametrize(
    "query",
    [
        "",
        "channel=t",
        "device=kitchen&points=0",
        "device=kitchen&points=1000000000",
        "device=kitchen&start=5&end=5",
        "device=kitchen&channel=a/%2B",
        "series=kitchen",
        "device=kitchen&start=yesterday",
        "&".join(["series=kitchen/t"] * (MOST_SERIES + 1)),
    ],
)
async def test_what_cannot_be_answered(core, client, reader, query):
    """It is a clear 400."""
    assert (await get(client, reader, query, 400))["code"].startswith("invalid")


async def test_only_what_one_sees(core, client, reader):
    """Another's device is as one that does not exist, also beside one's own."""
    await core.store("hall", "t", "1", ts=1)
    for query in ("device=hall", "series=kitchen/t&series=hall/t", "device=nowhere"):
        await get(client, reader, query, 404)


async def test_all_of_time_is_answered_at_once(core, client, reader):
    """However wide the span, the answer has no more buckets than points."""
    await fill(core, 30)
    found = await get(
        client, reader, "device=kitchen&channel=t&start=0&end=253402300799999&points=9"
    )
    assert len(found["t"]) <= 9
    assert found["step"] % STEPS[-1] == 0
    assert [n for n in found["series"][0]["count"] if n] == [30]


@given(st.integers(0, 10**13), st.integers(1, 10**13), st.integers(1, 5000))
def test_the_step_is_the_smallest_that_fits(start, length, points):
    """No more buckets than points, and one step less would be more."""
    span = Span(start, start + length)
    step = step_for(span, points, 0)
    assert len(range(span.start // step * step, span.end, step)) <= points
    if step != STEPS[0]:
        less = STEPS[STEPS.index(step) - 1] if step in STEPS else step // 2
        assert len(range(span.start // less * less, span.end, less)) > points


async def test_where_frames_are_gone(core, client, reader):
    """The answer comes from minutes, and its step is a minute at least."""
    await fill(core, 30)
    kept = core.kept
    assert isinstance(kept, SqliteStore)
    upkeep = kept.upkeep(Keeping(max_size=1), clock=core.clock)
    await upkeep.fold()
    await upkeep.prune()
    found = await get(client, reader, "device=kitchen&channel=t")
    assert found["step"] == MINUTE
    assert found["series"][0]["count"] == [20, 10]
    assert found["series"][0]["avg"] == [9.5, 24.5]


async def test_usage_is_for_admins(core, client, reader):
    """What each channel takes, and when it is full; nobody else is told."""
    await fill(core, 3)
    admin = await core.bearer(await core.user("root@example.org", role="admin"), "read")
    url = f"{API}/history/usage"
    async with client.get(url, headers=reader) as response:
        assert response.status == 403
    async with client.get(url, headers=admin) as response:
        found = await response.json()
    assert (found["max_size"], found["full"]) == (4 << 30, None)
    (channel,) = found["channels"]
    assert (channel["device"], channel["channel"]) == ("kitchen", "t")
