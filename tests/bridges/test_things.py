"""The IoT REST server: its URLs and its words."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.things import (
    ASSIGNED,
    FOUND,
    MADE,
    MISSING,
    PLACEHOLDER,
    SLOTS,
    STATE,
    UNKNOWN,
    numbers,
    shown,
)
from gateway.errors import Invalid
from tests.end_to_end.conftest import house
from tests.rig import until
from tests.seed_peers import Bare, bare

ZEROS = dict.fromkeys(SLOTS, "0.0000")


@pytest.fixture
async def home(tmp_path):
    """A gateway with the thing t2."""
    async with house(tmp_path) as here:
        await here.add("t2")
        yield here


async def get(home, path, **query):
    """Ask without a header; return status and answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{home.url}{path}", params=query) as response,
    ):
        return response.status, await response.json()


@asynccontextmanager
async def listening(home, thing="t2", key=None):
    """Listen to a thing."""
    address = f"{home.url}/listen/{thing}?key={key or home.keys[thing]}".replace("http:", "ws:")
    async with bare(address) as peer:
        yield peer


async def told(peer: Bare):
    """Return the next message of a listener."""
    return json.loads(await peer.text())


async def test_post_and_read(home):
    """The first post makes the object, the next ones assign; a missing slot is 0; reading shows
    four decimals.
    """
    key = home.keys["t2"]
    assert await get(home, "/things/read/t2", key=key) == (200, {STATE: UNKNOWN, **PLACEHOLDER})
    vector = {"s0": "1.5", "s1": 0, "s2": 0, "s3": 0, "s4": 0, "s5": 0, "s6": "-2"}
    posted = await get(home, "/things/post/t2", key=key, s0="1.5", s6="-2")
    assert posted == (200, {"Vector State: ": vector, STATE: MADE})
    posted = await get(home, "/things/post/t2", key=key, s0="2")
    assert posted[1][STATE] == ASSIGNED
    read = await get(home, "/things/read/t2", key=key)
    assert read == (
        200,
        {STATE: FOUND, **ZEROS, "s0": "2.0000", "All Data": "This is a Placeholder"},
    )


async def test_its_numbers_are_channels(home):
    """A post is seven frames of the device, and makes it online; what comes over MQTT is read
    here.
    """
    async with home.listen("t2/s0") as frames:
        await get(home, "/things/post/t2", key=home.keys["t2"], s0="1.5")
        assert (await frames.frame())["value"] == 1.5
    assert home.gateway.core.presence.is_online("t2")
    device = await home.device("t2")
    await device.publish("devices/t2/telemetry", '{"s0": 7, "s3": "text"}')
    read = (await get(home, "/things/read/t2", key=home.keys["t2"]))[1]
    assert (read["s0"], read["s3"]) == ("7.0000", "text")


async def test_every_listener_gets_every_post(home):
    """Each post is one message to each listener, however fast they come."""
    await get(home, "/things/post/t2", key=home.keys["t2"])
    async with listening(home) as first, listening(home, key=home.token) as second:
        assert (await told(first))["State Vector"] == ZEROS  # the post that nobody had heard
        posts = [
            get(home, "/things/post/t2", key=home.keys["t2"], s0=str(number))
            for number in range(1, 21)
        ]
        await asyncio.gather(*posts)
        for peer in (first, second):
            got = [await told(peer) for _ in range(20)]
            assert {each["State Vector"]["s0"] for each in got} == {
                f"{number}.0000" for number in range(1, 21)
            }
            assert got[0] == {
                STATE: ASSIGNED,
                "Thing name": "t2",
                "State Vector": {**ZEROS, "s0": got[0]["State Vector"]["s0"]},
            }
        device = await home.device("t2")
        await device.publish("devices/t2/telemetry", '{"s1": 5, "s2": 6}')
        state = (await told(first))["State Vector"]
        assert (state["s1"], state["s2"]) == ("5.0000", "6.0000")
        await device.publish("devices/t2/telemetry", '{"s1": 8}')
        assert (await told(first))["State Vector"] == {**state, "s1": "8.0000"}


async def test_a_listener_that_does_not_read_gets_every_post_whole(home):
    """A listener that catches up from history, page by page, gets each post once, and no half of
    one.
    """
    await get(home, "/things/post/t2", key=home.keys["t2"])
    catalog, intake = home.gateway.core.catalog, home.gateway.core.intake
    series = [catalog.series("telemetry", "t2", slot) for slot in SLOTS]
    async with listening(home) as peer:
        assert (await told(peer))["State Vector"] == ZEROS
        for number in range(1, 12_001):
            entries = [(each, number, str(number), "") for each in series]
            if number % 500:
                intake.submit(entries)
            else:
                await intake.store(entries)
        for number in range(1, 12_001):
            assert set((await told(peer))["State Vector"].values()) == {f"{number}.0000"}


async def test_an_unknown_thing(home):
    """A thing that was never posted: one frame says so, and the socket is closed."""
    for thing in ("t2", "never"):
        async with listening(home, thing, home.token) as peer:
            assert await told(peer) == {STATE: MISSING}
            assert await peer.closed() == 1000
    assert await get(home, "/things/read/never", key=home.token) == (
        200,
        {STATE: UNKNOWN, **PLACEHOLDER},
    )


async def test_an_admin_makes_things_by_posting(home):
    """A token that may make devices makes the thing with its first post, as the REST server did for
    everybody.
    """
    assert (await get(home, "/things/post/t9", key=home.token, s0="1"))[1][STATE] == MADE
    assert home.gateway.access.registry.devices["t9"].type == "thing"


@pytest.mark.parametrize(
    "path", ["/things/post/t2", "/things/read/t2", "/listen/t2", "/things/post/never"]
)
async def test_without_sign_in(home, path):
    """Without a key, or with a wrong one, the answer is 401."""
    for query in ({}, {"key": "wrong"}):
        status, problem = await get(home, path, **query)
        assert (status, problem["code"]) == (401, "unauthenticated")


async def test_a_key_opens_its_own_thing_only(home):
    """Another device's key is no key; Basic works as the query does, but not from another site's
    page.
    """
    await home.add("t3")
    assert (await get(home, "/things/post/t2", key=home.keys["t3"]))[0] == 401
    auth = {"Authorization": aiohttp.encode_basic_auth("t3", home.keys["t3"])}
    async with aiohttp.ClientSession(headers=auth) as session:
        async with session.get(f"{home.url}/things/post/t3") as response:
            assert response.status == 200
        async with session.get(f"{home.url}/things/post/t2") as response:
            assert response.status == 404
        foreign = {"Sec-Fetch-Site": "cross-site"}
        async with session.get(f"{home.url}/things/post/t3?s0=9", headers=foreign) as response:
            assert response.status == 403


@pytest.mark.parametrize("number", ["abc", "", "nan", "inf", "1e999", "1,5", "0x10"])
async def test_bad_numbers(home, number):
    """A number that is none is 400, says which slot, and stores nothing."""
    status, problem = await get(home, "/things/post/t2", key=home.keys["t2"], s3=number)
    assert (status, list(problem["fields"])) == (400, ["s3"])
    assert not list(home.gateway.core.catalog.of_device("t2"))


@given(
    st.dictionaries(st.sampled_from(SLOTS), st.text(max_size=8) | st.floats().map(str), max_size=7)
)
def test_any_query_is_read_or_refused(query):
    """Whatever is given for numbers makes seven JSON numbers, or is refused with the slots'
    names.
    """
    try:
        found = numbers(query)
    except Invalid:
        return
    assert list(found) == list(SLOTS)
    assert all(isinstance(json.loads(value), int | float) for value in found.values())


async def test_a_thing_that_posts_too_often(tmp_path):
    """`messages_per_second` holds here too, and is one for all entrances: 429 says when to post
    again.
    """
    async with house(tmp_path, limits={"messages_per_second": 1}) as home:
        key = await home.add("t2")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{home.url}/ws?device=t2&key={key}") as socket,
        ):
            await socket.send_str('{"method": "put", "status": {"sensor": "s0", "value": 1}}')
            for _ in range(3):  # of which each waits for its turn
                await socket.send_str('{"method": "get", "sensor": "s0"}')
            assert (await socket.receive_json())["value"] == 1
            async with session.get(f"{home.url}/things/post/t2?key={key}") as response:
                assert response.status == 429
                assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(2, "2.0000"), (-0.00001, "0.0000"), (0.00005, "0.0000"), (0.00015, "0.0002"),
    (1e22, "1" + "0" * 22 + ".0000"),
     (10**399, "1" + "0" * 399), (-(10**4000), "-1" + "0" * 4000), (True, "true"), ("on", "on"),
     ({"a": 1}, '{"a":1}')],
)  # fmt: skip
def test_how_numbers_are_shown(value, text):
    """Four decimals, halves to the even one, no minus before nothing; what has more digits than any
    number of theirs as it is.
    """
    assert shown(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_any_number_is_shown(value):
    """Every number that JSON has is shown, and near what it is."""
    assert float(shown(value)) == pytest.approx(value, abs=0.00006)


async def test_a_number_of_many_digits(home):
    """A board may send any number: it is read, and listeners go on."""
    await get(home, "/things/post/t2", key=home.keys["t2"])
    async with listening(home) as peer:
        await told(peer)
        device = await home.device("t2")
        await device.publish("devices/t2/telemetry", '{"s0":1' + "0" * 399 + "}")
        assert float((await told(peer))["State Vector"]["s0"]) >= 1e300
        assert (await get(home, "/things/read/t2", key=home.keys["t2"]))[0] == 200
        await get(home, "/things/post/t2", key=home.keys["t2"], s0="7")
        assert (await told(peer))["State Vector"]["s0"] == "7.0000"


async def test_a_slot_that_is_named_twice(home):
    """Of a slot that is named twice the last counts."""
    address = f"{home.url}/things/post/t2?key={home.keys['t2']}&s0=1&s0=2"
    async with home.http.get(address) as response:
        assert (await response.json())["Vector State: "]["s0"] == "2"
    assert (await get(home, "/things/read/t2", key=home.keys["t2"]))[1]["s0"] == "2.0000"


async def test_the_last_post_that_nobody_heard(home):
    """Who listens after a post is told it, if nobody has heard it; a listener that comes back is
    told what it missed, and nothing twice.
    """
    for number in ("1", "2"):
        await get(home, "/things/post/t2", key=home.keys["t2"], s0=number)
    async with listening(home) as peer:
        assert (await told(peer))["State Vector"]["s0"] == "2.0000"
        async with listening(home) as second:
            await get(home, "/things/post/t2", key=home.keys["t2"], s0="3")
            for each in (peer, second):
                assert (await told(each))["State Vector"]["s0"] == "3.0000"
    await until(lambda: not home.gateway.web.site.open[-1])
    async with listening(home) as peer:
        await get(home, "/things/post/t2", key=home.keys["t2"], s0="4")
        assert (await told(peer))["State Vector"]["s0"] == "4.0000"
    await until(lambda: not home.gateway.web.site.open[-1])
    await get(home, "/things/post/t2", key=home.keys["t2"], s0="5")
    async with listening(home) as peer:
        assert (await told(peer))["State Vector"]["s0"] == "5.0000"


@pytest.mark.parametrize("slug", ["t1", "living room", "x" * 70, "token"])
async def test_anonymous(tmp_path, slug):
    """With `anonymous` their URLs work as they are: the first post makes the thing, anybody reads
    it and listens.
    """
    async with house(tmp_path, bridges={"things": {"anonymous": True}}) as home:
        unknown = {STATE: UNKNOWN, **PLACEHOLDER}
        assert await get(home, f"/things/read/{slug}") == (200, unknown)
        address = f"{home.url}/listen/{slug}".replace("http:", "ws:")
        async with bare(address) as peer:
            assert await told(peer) == {STATE: MISSING}
        assert (await get(home, f"/things/post/{slug}", s0="1"))[1][STATE] == MADE
        assert (await get(home, f"/things/read/{slug}"))[1]["s0"] == "1.0000"
        async with bare(address) as peer:
            assert (await told(peer))["Thing name"] == slug
        (made,) = home.gateway.access.registry.devices.values()
        assert (made.owner, made.key_hash, made.type) == (None, b"", "thing")
        assert made.name == ("" if made.id == slug else slug)


async def test_anonymous_is_for_things_without_a_key(tmp_path):
    """A device with a key needs it, and a page of another site is nobody."""
    async with house(tmp_path, bridges={"things": {"anonymous": True}}) as home:
        await home.add("t2")
        for path in ("/things/post/t2", "/things/read/t2"):
            assert (await get(home, path))[0] == 401
        for header in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            async with (
                aiohttp.ClientSession(headers=header) as page,
                page.get(f"{home.url}/things/post/t3?s0=1") as response,
            ):
                assert response.status == 403
        assert list(home.gateway.access.registry.devices) == ["t2"]
