"""Frames after a cursor."""

import asyncio

import pytest

API = "/api/v1"


@pytest.fixture
async def reader(core):
    """The headers of ann, who owns kitchen and garden; cellar is bob's."""
    ann, bob = await core.user(), await core.user("bob@example.org")
    for device, owner in (("kitchen", ann), ("garden", ann), ("cellar", bob)):
        await core.device(device, owner)
    return await core.bearer(ann, "read")


async def get(client, path, headers):
    """Return what a path answers, and its headers."""
    async with client.get(f"{API}{path}", headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json(), response


async def listening(core):
    """Return when somebody waits for frames."""
    async with asyncio.timeout(10):
        while core.hub.listeners == 0:
            await asyncio.sleep(0)


async def test_pages_follow_one_another_without_gap_or_duplicate(core, client, reader):
    """Following `Link: rel="next"` to its end gives every frame that is seen and matches, once, in
    order.
    """
    for number in range(25):
        for device in ("kitchen", "cellar", "garden"):
            await core.store(device, "n", str(number))
    seqs, path, pages = [], "/frames?filter=kitchen/%2B&filter=garden/n&limit=7&after=0", 0
    while path:
        page, response = await get(client, path, reader)
        seqs += [frame["seq"] for frame in page["frames"]]
        link = response.links.get("next")
        assert (page["next"] is None) == (link is None)
        path = link["url"].path_qs.removeprefix(API) if link else None
        pages += 1
    assert seqs == [seq for seq in range(1, 76) if seq % 3 != 2]
    assert pages >= 8


async def test_a_frame_of_another_owner_is_not_there(core, client, reader):
    """Whatever the filter."""
    await core.store("cellar", "n", "1")
    page, _ = await get(client, "/frames?filter=cellar/n&filter=%23", reader)
    assert page == {"frames": [], "next": None}


async def test_a_long_poll_returns_with_the_first_frame(core, client, reader):
    """`wait` ends when a matching frame comes, not before and not with another's."""
    await core.store("kitchen", "n", "0")
    waiting = asyncio.create_task(get(client, "/frames?after=1&filter=kitchen/%23&wait=30", reader))
    await listening(core)
    await core.store("garden", "n", "1")
    await core.store("cellar", "n", "1")
    assert not waiting.done()
    await core.store("kitchen", "n", "2")
    page, _ = await waiting
    assert [frame["seq"] for frame in page["frames"]] == [4]
    assert core.hub.listeners == 0


async def test_a_long_poll_under_load_misses_nothing(core, client, reader):
    """A listener that asks again with the last seq it has gets every frame once."""

    async def produce():
        for number in range(300):
            await core.store("kitchen", "n", str(number))

    producing, seqs = asyncio.create_task(produce()), [0]
    while seqs[-1] < 300:
        page, _ = await get(client, f"/frames?after={seqs[-1]}&wait=10&limit=20", reader)
        seqs += [frame["seq"] for frame in page["frames"]]
    await producing
    assert seqs == list(range(301))


async def test_a_long_poll_whose_token_is_revoked_shows_nothing(core, client, reader):
    """Access is asked for again when the wait is over."""
    from gateway.access import tokens

    waiting = asyncio.create_task(client.get(f"{API}/frames?after=0&wait=5", headers=reader))
    await listening(core)
    await core.do(tokens.revoke, 1)
    await core.store("kitchen", "n", "2")
    assert (await waiting).status == 401


async def test_a_long_poll_does_not_hold_up_the_end(core, client, reader):
    """When the gateway stops it gets its empty page at once."""
    waiting = asyncio.create_task(get(client, "/frames?after=0&wait=60", reader))
    await listening(core)
    await client.app.shutdown()
    page, _ = await waiting
    assert page == {"frames": [], "next": None}


async def test_a_long_poll_without_frames_ends(client, reader):
    """An empty page when the time is over."""
    page, _ = await get(client, "/frames?after=0&wait=0.01", reader)
    assert page == {"frames": [], "next": None}


async def test_where_history_was_pruned_there_is_a_gap(core, client, reader):
    """The gap stands first; who gives no cursor gets none."""
    for number in range(10):
        await core.store("kitchen", "n", str(number))
    await core.kept._database.write(lambda db: db.execute("DELETE FROM frames WHERE seq <= 4"))
    await core.kept._database.write(
        lambda db: db.execute("UPDATE meta SET value = 4 WHERE key = 'floor'")
    )
    page, _ = await get(client, "/frames?after=2", reader)
    assert page["frames"][0] == {"type": "gap", "from": 3, "to": 4}
    assert [frame["seq"] for frame in page["frames"][1:]] == [5, 6, 7, 8, 9, 10]
    page, _ = await get(client, "/frames", reader)
    assert [frame["seq"] for frame in page["frames"]] == [5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=x", "after"),
        ("after=-1", "after"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("wait=61", "wait"),
        ("wait=nan", "wait"),
        ("filter=a%2B", "filter"),
        ("limt=5", "limt"),
        ("limit=5&limit=6", "limit"),
    ],
)
async def test_a_wrong_parameter_is_named(client, reader, query, field):
    """400, with the field and what is wrong with it."""
    async with client.get(f"{API}/frames?{query}", headers=reader) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, list(said["fields"])) == (400, [field])


async def test_a_cursor_from_the_future_is_refused(client, reader):
    """It comes from another database: 400 future_cursor."""
    async with client.get(f"{API}/frames?after=1", headers=reader) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (
            400,
            "future_cursor",
        )


async def test_latest_is_by_time_and_of_one_s_own(core, client, reader):
    """The greatest ts wins, whatever came last; a device of somebody else is not there."""
    await core.store("kitchen", "n", "1", ts=2000)
    await core.store("kitchen", "n", "2", ts=1000)
    latest, _ = await get(client, "/devices/kitchen/latest", reader)
    assert {channel: frame["value"] for channel, frame in latest.items()} == {"n": 1}
    assert (await client.get(f"{API}/devices/cellar/latest", headers=reader)).status == 404
    assert (await client.get(f"{API}/devices/nowhere/latest", headers=reader)).status == 404


async def test_a_cursor_of_another_database_begins_with_a_gap(core, client, reader):
    """With `epoch` a cursor is worth something in its own database alone; each page names it."""
    for number in range(3):
        await core.store("kitchen", "n", str(number))
    epoch = core.hub.epoch
    page, response = await get(client, f"/frames?after=1&epoch={epoch}", reader)
    assert [frame["seq"] for frame in page["frames"]] == [2, 3]
    assert response.headers["Gateway-Epoch"] == epoch
    for after in (1, 900):
        page, _ = await get(client, f"/frames?after={after}&epoch=elsewhere&wait=10", reader)
        assert page["frames"][0] == {"type": "gap", "from": 0, "to": 0}
        assert [frame["seq"] for frame in page["frames"][1:]] == [1, 2, 3]


async def test_the_next_page_is_of_the_database_that_answers(core, client, reader):
    """Who follows `Link` is told of a gap once, not on every page."""
    for number in range(9):
        await core.store("kitchen", "n", str(number))
    path, got = "/frames?after=900&epoch=elsewhere&limit=4", []
    while path:
        page, response = await get(client, path, reader)
        got += [frame.get("seq", frame["type"]) for frame in page["frames"]]
        link = response.links.get("next")
        path = link["url"].path_qs.removeprefix(API) if link else None
    assert got == ["gap", *range(1, 10)]
