"""Telemetry by POST."""

import io

import pytest

from tests.bridges.conftest import basic

API = "/api/v1"


@pytest.fixture
async def key(core):
    """The key of the device kitchen, which is ann's."""
    return await core.device("kitchen", await core.user())


async def test_a_reading_is_stored_and_the_same_everywhere(core, client, key):
    """One POST gives one frame, with the same seq in the answer, /frames, /latest and /history; and
    it is online.
    """
    device = basic("kitchen", key)
    async with client.post(
        f"{API}/devices/kitchen/telemetry", json={"temperature": 21.4}, headers=device
    ) as response:
        assert response.status == 200
        assert await response.json() == {"seq": 2, "count": 1}
    frame = {
        "type": "telemetry",
        "seq": 2,
        "device": "kitchen",
        "channel": "temperature",
        "ts": core.clock.now,
    }
    frame["value"] = 21.4
    reader = await core.bearer(1, "read")
    frames = await (await client.get(f"{API}/frames", headers=reader)).json()
    latest = await (await client.get(f"{API}/devices/kitchen/latest", headers=reader)).json()
    by_time = await (await client.get(f"{API}/history?device=kitchen", headers=reader)).json()
    online = frames["frames"][0]
    assert (online["type"], online["seq"], online["value"]) == ("presence", 1, "online")
    assert frames == {"frames": [online, frame], "next": None}
    assert latest == {"status": online, "temperature": frame}
    assert by_time == {"next": None, "frames": [online, frame]}


async def test_the_device_s_own_time_is_kept_beside_when_it_was_received(core, client, key):
    """`ts` is the device's, `received` the gateway's."""
    body = [{"ts": 1000, "values": {"a": 1}}, {"ts": 2000, "values": {"a": 2, "b/c": "x"}}]
    headers = {"Authorization": f"Bearer {key}"}
    async with client.post(
        f"{API}/devices/kitchen/telemetry", json=body, headers=headers
    ) as response:
        assert await response.json() == {"seq": 4, "count": 3}
    latest = await (await client.get(f"{API}/devices/kitchen/latest", headers=headers)).json()
    assert [
        (frame["ts"], frame["received"], frame["value"])
        for frame in latest.values()
        if frame["type"] == "telemetry"
    ] == [
        (2000, core.clock.now, 2),
        (2000, core.clock.now, "x"),
    ]


async def test_a_time_as_text_and_as_so_long_ago(core, client, key):
    """A board tells the time as text, or how long ago it measured where it has no clock; one that
    is two days ahead is told so.
    """
    told = {"ts": "2025-11-20T22:15:00+01:00", "values": {"a": 1}}
    body = [told, {"ago": 1500, "values": {"b": 2}}]
    url, headers = f"{API}/devices/kitchen/telemetry", basic("kitchen", key)
    async with client.post(url, json=body, headers=headers) as response:
        assert response.status == 200
    latest = await (await client.get(f"{API}/devices/kitchen/latest", headers=headers)).json()
    assert (latest["a"]["ts"], latest["b"]["ts"]) == (1_763_673_300_000, core.clock.now - 1500)
    assert latest["b"]["received"] == core.clock.now
    ahead = {"ts": core.clock.now + 2 * 86_400_000, "values": {"a": 1}}
    async with client.post(url, json=ahead, headers=headers) as response:
        assert response.status == 400
        assert "more than a day ahead" in (await response.json())["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (b"21.5", "text/plain", 21.5),
        (b"on", "text/plain", "on"),
        (b"\xff", "application/octet-stream", {"base64": "/w=="}),
        (b"{oops", "text/plain", "{oops"),
        (b'{"a": 1}', "application/json", {"a": 1}),
    ],
)
async def test_one_value_is_translated_as_over_mqtt(client, key, body, kind, value):
    """JSON, else text, else base64; the channel is the rest of the path."""
    headers = {**basic("kitchen", key), "Content-Type": kind}
    response = await client.post(
        f"{API}/devices/kitchen/telemetry/relay/0", data=body, headers=headers
    )
    assert response.status == 200
    latest = await (await client.get(f"{API}/devices/kitchen/latest", headers=headers)).json()
    assert latest["relay/0"]["value"] == value


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{oops", "application/x-www-form-urlencoded"), (b"oops", "application/json")],
)
async def test_what_cannot_be_translated_is_a_problem_and_is_kept(core, client, key, body, kind):
    """Malformed JSON is 400, stands in the rejected list, and makes no frame."""
    headers = {**basic("kitchen", key), "Content-Type": kind}
    async with client.post(
        f"{API}/devices/kitchen/telemetry", data=body, headers=headers
    ) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, said["status"], said["code"]) == (400, 400, "untranslatable")
    assert {"type", "title", "detail"} <= said.keys()
    await core.intake.store(())
    kept = await core.kept.history.rejected(None, 10)
    assert [(item.topic, item.device, item.payload) for item in kept] == [
        ("devices/kitchen/telemetry", "kitchen", body)
    ]
    frames = await (await client.get(f"{API}/frames", headers=await core.bearer(1))).json()
    assert [frame["type"] for frame in frames["frames"]] == ["presence"]


async def test_a_body_above_the_limit_is_refused(client, key):
    """413, as a problem, however large it is."""
    for size in (5000, 10_000_000):
        path, body = f"{API}/devices/kitchen/telemetry", io.BytesIO(b"x" * size)
        async with client.post(path, data=body, headers=basic("kitchen", key)) as response:
            assert response.status == 413
            assert (await response.json(content_type="application/problem+json"))[
                "code"
            ] == "too_large"


@pytest.mark.parametrize("messages_per_second", [2])
async def test_a_device_that_posts_too_often_is_told_when_it_may(
    core, client, key, messages_per_second
):
    """429 with Retry-After; another device is not concerned."""
    garden = basic("garden", await core.device("garden", 1))
    statuses = []
    for _ in range(3):
        path, body = f"{API}/devices/kitchen/telemetry", {"a": 1}
        async with client.post(path, json=body, headers=basic("kitchen", key)) as response:
            statuses.append(response.status)
    assert statuses[-1] == 429
    assert response.headers["Retry-After"] == "1"
    assert (
        await client.post(f"{API}/devices/garden/telemetry", json={"a": 1}, headers=garden)
    ).status == 200


async def test_who_may_not_post(core, client, key):
    """A wrong key, another device, a read token, a token of somebody else, nobody: none of them
    makes a frame.
    """
    other = await core.device("garden", 1)
    bob = await core.user("bob@example.org")
    cases = [
        (basic("kitchen", "wrong"), 401),
        (basic("garden", other), 404),
        (await core.bearer(1, "read"), 403),
        (await core.bearer(bob), 404),
        ({}, 401),
    ]
    for headers, status in cases:
        response = await client.post(
            f"{API}/devices/kitchen/telemetry", json={"a": 1}, headers=headers
        )
        assert response.status == status
        assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert core.hub.seq == 0


async def test_while_storing_fails_a_post_is_refused(core, client, key):
    """503 with Retry-After: nothing is acknowledged that is not stored."""
    core.intake.refusal = "disk is full"
    response = await client.post(
        f"{API}/devices/kitchen/telemetry", json={"a": 1}, headers=basic("kitchen", key)
    )
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    core.intake.refusal = None


async def test_a_broken_object_is_wrong_whatever_it_is_called(core, client, key):
    """What begins like an object is no reading where the channels are in the body; one value may be
    any text.
    """
    path, text = (
        f"{API}/devices/kitchen/telemetry",
        {**basic("kitchen", key), "Content-Type": "text/plain"},
    )
    assert (await client.post(path, data="{bad", headers=text)).status == 400
    assert (await client.post(path, data="fine", headers=text)).status == 200
    assert (await client.post(f"{path}/note", data="{bad", headers=text)).status == 200


async def test_who_posts_for_a_device_does_not_bring_it_online(core, client, key):
    """Only the device's own key says that it is there; a user's token makes the frame and nothing
    else.
    """
    user = await core.user("writer@example.org", role="admin")
    token = await core.bearer(user, "write")
    posted = await client.post(f"{API}/devices/kitchen/telemetry", json={"t": 1}, headers=token)
    assert await posted.json() == {"seq": 1, "count": 1}
    device = await (await client.get(f"{API}/devices/kitchen", headers=token)).json()
    assert (device["online"], device["last_value"]["value"]) == (False, 1)
