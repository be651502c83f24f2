"""IOTcommunicate: its scripts as they are written, between the sides, and between them and MQTT."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import devices
from gateway.bridges.edge import sockets
from gateway.bridges.edge.values import channel_of
from gateway.bridges.iotcommunicate import put_together, taken_apart
from gateway.errors import InvalidTopic
from gateway.store.audit import By
from tests.end_to_end.conftest import house
from tests.rig import until
from tests.seed_peers import Script, bare

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "value", "time"]), inner)
    ),
    max_leaves=8,
)
STATUS = st.dictionaries(
    st.sampled_from(["sensor", "value", "unit", "lat", "time", "write"]), JSON, max_size=5
)


@given(STATUS)
def test_a_status_is_kept_whole(status):
    """Whatever is put comes out again, but for the time and the side, which the server sets."""
    sensor, value = taken_apart(status)
    try:
        channel = channel_of(sensor)
    except InvalidTopic:
        return
    found = json.loads(put_together(channel, value, 1_500, "device"))
    given = {key: each for key, each in status.items() if key not in {"sensor", "time", "write"}}
    assert {key: found[key] for key in given} == given
    assert (found["time"], found["write"]) == (1.5, "device")


@pytest.mark.parametrize(
    ("status", "value"),
    [
        ({"sensor": "led", "value": 1}, 1),
        ({"sensor": "led", "value": {"r": 1}}, {"r": 1}),
        ({"sensor": "gps", "lat": 1.5, "lon": 2}, {"lat": 1.5, "lon": 2}),
        ({"sensor": "t", "value": 20, "unit": "C"}, {"value": 20, "unit": "C"}),
    ],
)
def test_the_value_of_a_status(status, value):
    """A lone value is the value; more members are an object."""
    assert json.loads(taken_apart(status)[1]) == value


@pytest.fixture
async def home(tmp_path):
    """A gateway with one device in the style of IOTcommunicate, `home.board`."""
    async with house(tmp_path) as here:
        issued = await here.gateway.access.registry.apply(
            devices.create, By("test", "", 1), style="iotcommunicate"
        )
        here.board = issued.record.id
        here.keys[here.board] = issued.secret
        yield here


def url(home, side=None, **changes):
    """Return the URL as the project's documentation has it."""
    query = {
        "device": home.board,
        "key": home.keys[home.board],
        **({"side": side} if side else {}),
        **changes,
    }
    return f"ws://127.0.0.1:{home.gateway.ports['http']}/ws?" + "&".join(
        f"{k}={v}" for k, v in query.items()
    )


async def test_ids_and_keys_are_theirs(home):
    """An id has 20 characters, a key 15, and the URL of the seed, without a side, is the
    device's.
    """
    assert (len(home.board), len(home.keys[home.board])) == (20, 15)
    async with bare(url(home)):
        await until(lambda: home.gateway.core.presence.is_online(home.board))


async def test_both_sides(home):
    """What a side puts reaches every socket of the other side and none of its own; `get` answers
    the asker alone.
    """
    async with (
        Script(url(home)) as device,
        Script(url(home, "device")) as second,
        Script(url(home, "client")) as phone,
        Script(url(home, "client")) as tablet,
    ):
        await until(lambda: len(home.gateway.core.presence.links(home.board)) == 2)
        device.send(method="put", status={"sensor": "temp", "value": 21.5})
        for each in (phone, tablet):
            got = await each.next()
            assert got == {"sensor": "temp", "value": 21.5, "time": got["time"], "write": "device"}
            assert isinstance(got["time"], float)
        phone.send(method="put", status={"sensor": "led", "value": 1})
        for each in (device, second):
            got = await each.next()
            assert got == {"sensor": "led", "value": 1, "time": got["time"], "write": "client"}
        phone.send(method="get", sensor="temp")
        assert (await phone.next())["value"] == 21.5
        device.send(method="get", sensor="led")
        assert (await device.next())["write"] == "client"
        tablet.send(method="get", sensor="nothing")
        assert await tablet.next() == {}
        for each in (device, second, phone, tablet):
            assert each.messages.empty()


async def test_a_put_is_a_frame(home):
    """What the device puts is telemetry like any other, and a status with more members is whole in
    `get`.
    """
    async with Script(url(home)) as device, home.listen(f"{home.board}/gps") as listening:
        device.send(method="put", status={"sensor": "gps", "lat": 1.5, "lon": 2})
        frame = await listening.frame()
        assert (frame["type"], frame["value"]) == ("telemetry", {"lat": 1.5, "lon": 2})
        device.send(method="get", sensor="gps")
        got = await device.next()
        assert (got["sensor"], got["lat"], got["lon"], got["time"]) == (
            "gps",
            1.5,
            2,
            frame["ts"] / 1000,
        )


async def test_only_what_is_newer_is_pushed(home):
    """A client that connects gets what is put from then on; what was before, it asks for."""
    async with Script(url(home)) as device:
        device.send(method="put", status={"sensor": "temp", "value": 1})
        device.send(method="get", sensor="temp")
        await device.next()
        async with Script(url(home, "client")) as phone:
            phone.send(method="get", sensor="temp")
            assert (await phone.next())["value"] == 1
            device.send(method="put", status={"sensor": "temp", "value": 2})
            assert (await phone.next())["value"] == 2


async def test_an_arduino_on_mqtt_and_a_phone(home):
    """Telemetry over MQTT reaches the phone; what the phone puts reaches the board, and a socket
    beside it.
    """
    board = await home.device(home.board, subscribe=f"devices/{home.board}/commands/#")
    async with Script(url(home, "client")) as phone:
        await board.publish(f"devices/{home.board}/telemetry", '{"temp": 20}')
        assert (await phone.next())["value"] == 20
        phone.send(method="put", status={"sensor": "led", "value": 1})
        message = await board.message()
        assert (message.topic, message.payload) == (f"devices/{home.board}/commands/led", b"1")
        await until(
            lambda: not home.gateway.core.commands.waiting(home.board)
        )  # what is not delivered goes to all sockets
        async with Script(url(home)) as beside:
            await until(lambda: len(home.gateway.core.presence.links(home.board)) == 2)
            phone.send(method="put", status={"sensor": "led", "value": 0})
            assert (await beside.next())["value"] == 0
            assert (await board.message()).payload == b"0"


async def test_commands_wait_for_the_device(home):
    """A command given while the device was away arrives when it connects, once, and is delivered
    when it was read.
    """
    command = await home.gateway.core.commands.send(home.board, "led", "1", sender="test")
    async with home.listen(f"{home.board}/led") as listening, Script(url(home)) as device:
        assert (await device.next())["value"] == 1
        await listening.frame(
            lambda frame: frame.get("state") == "delivered" and frame["id"] == command.id
        )
        await home.gateway.core.commands.send(home.board, "led", "2", sender="test")
        assert (await device.next())["value"] == 2
        assert device.messages.empty()


async def test_an_expired_command_is_still_the_last_status(home):
    """`get` gives what was put last, however old: a device restores it when it starts."""
    command = await home.gateway.core.commands.send(
        home.board, "led", "1", sender="test", ttl=0.001
    )
    async with home.listen(f"{home.board}/led", since=0) as listening:
        await listening.frame(
            lambda frame: frame.get("state") == "expired" and frame["id"] == command.id
        )
    async with Script(url(home, "client")) as phone:
        phone.send(method="get", sensor="led")
        assert (await phone.next())["value"] == 1


async def test_a_newer_put_replaces_the_one_that_waits(home):
    """While the device is away a sensor has one state: the last put waits, however many came before
    it; other sensors and other senders are not concerned.
    """
    await home.gateway.core.commands.send(home.board, "slider", "-1", sender="user:1")
    async with bare(url(home, "client")) as phone:
        for number in range(1_100):
            put = {"method": "put", "status": {"sensor": "slider", "value": number}}
            await phone.socket.send_str(json.dumps(put))
        await phone.socket.send_str('{"method": "put", "status": {"sensor": "led", "value": 1}}')
        await phone.socket.send_str('{"method": "get", "sensor": "slider"}')
        assert json.loads(await phone.text())["value"] == 1_099
    assert home.gateway.core.commands.waiting(home.board) == 3
    async with Script(url(home)) as device:
        got = [await device.next() for _ in range(3)]
        assert [(each["sensor"], each["value"]) for each in got] == [
            ("slider", -1),
            ("slider", 1_099),
            ("led", 1),
        ]
        assert device.messages.empty()


async def test_what_the_device_gets_while_it_is_there(home):
    """A device that is connected gets every put, also those that follow at once."""
    async with Script(url(home)) as device, bare(url(home, "client")) as phone:
        for number in range(100):
            put = {"method": "put", "status": {"sensor": "slider", "value": number}}
            await phone.socket.send_str(json.dumps(put))
        assert [(await device.next())["value"] for _ in range(100)] == list(range(100))


@pytest.mark.parametrize("side", ["phone", "web", "client"])
async def test_any_other_side_is_the_clients(home, side):
    """Any word is a side; an empty one is the device's; JSON in a binary message is JSON."""
    async with Script(url(home, "device")) as device, bare(url(home, side)) as phone:
        await until(lambda: home.gateway.core.presence.is_online(home.board))
        await phone.socket.send_bytes(b'{"method": "put", "status": {"sensor": "led", "value": 1}}')
        assert (await device.next())["value"] == 1
    async with bare(url(home) + "&side="):
        await until(lambda: home.gateway.core.presence.is_online(home.board))


@pytest.mark.parametrize("sensor", ["", None])
async def test_a_sensor_without_a_name(home, sensor):
    """A status whose sensor has no name is kept as one that has none."""
    async with Script(url(home)) as device:
        device.send(method="put", status={"sensor": sensor, "value": 5})
        device.send(method="get", sensor=sensor)
        got = await device.next()
        assert (got["sensor"], got["value"]) == ("value", 5)


async def test_an_error_names_its_sensor(home):
    """What is refused is answered with the sensor, which their scripts look for."""
    async with Script(url(home)) as device:
        device.send(method="put", status={"sensor": "x" * 300, "value": 5})
        got = await device.next()
        assert (got["code"], got["sensor"]) == ("invalid_topic", "x" * 300)


async def test_a_script_that_does_not_read_for_long(home, monkeypatch):
    """A script that waits in its callback, and so answers no ping, is not cut off: what it puts
    later reaches the other side.
    """
    monkeypatch.setattr(sockets, "HEARTBEAT", 0.05)
    idle = await asyncio.to_thread(websocket.create_connection, url(home, "client"))
    async with home.http.ws_connect(f"{home.url}/api/v1/ws", autoping=False) as listener:
        async for _ in listener:
            pass  # until it is cut off, since it answers no ping
    async with Script(url(home)) as device:
        await until(lambda: home.gateway.core.presence.is_online(home.board))
        idle.send('{"method": "put", "status": {"sensor": "led", "value": 1}}')
        assert (await device.next())["value"] == 1
    idle.shutdown()


async def test_an_id_and_a_key_that_a_sketch_has(home):
    """The URL of the project's own documentation works once its id and key are known here."""
    seed = {"device": "MBIJ0R5BGXBDSYO0GIIE", "key": "SQC8JVFAL8NQRJS"}
    await home.gateway.access.registry.apply(
        devices.create,
        By("test", "", 1),
        id=seed["device"],
        key=seed["key"],
        style="iotcommunicate",
    )
    async with Script(url(home, **seed)) as device:
        device.send(method="put", status={"sensor": "temp", "value": 20})
        device.send(method="get", sensor="temp")
        assert (await device.next())["value"] == 20


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"key": "SQC8JVFAL8NQRJS"}, 4401), ({"device": "MBIJ0R5BGXBDSYO0GIIE"}, 4401)],
)
async def test_bad_credentials(home, changes, code):
    """A wrong key and an unknown device are closed before anything else happens."""
    async with bare(url(home, **changes)) as peer:
        await peer.socket.send_str('{"method": "put", "status": {"sensor": "led", "value": 1}}')
        assert await peer.closed() == code
    assert not list(home.gateway.core.catalog.of_device(home.board))


@pytest.mark.parametrize(
    "message",
    ["{", "[]", '{"method": "post"}', '{"method": "put"}', '{"method": "put", "status": 1}',
    "[" * 5000,
     '{"method": "put", "status": {"sensor": "%s"}}' % ("x" * 300), (
         '{"method": "get", '
         '"sensor": []}'
     ), b"binary"],
)  # fmt: skip
async def test_a_wrong_message_is_answered(home, message):
    """Bad JSON, unknown methods and misshapen statuses get an error object, and the socket
    stays.
    """
    async with bare(url(home)) as peer:
        await (
            peer.socket.send_str(message)
            if isinstance(message, str)
            else peer.socket.send_bytes(message)
        )
        assert "error" in json.loads(await peer.text())
        await peer.socket.send_str('{"method": "get", "sensor": "led"}')
        assert json.loads(await peer.text()) == {}


async def test_a_client_that_does_not_read_misses_nothing(home):
    """What a client has not read is kept in history, not in memory, and it gets all of it, in
    order.
    """
    async with aiohttp.ClientSession() as session, session.ws_connect(url(home, "client")) as phone:
        text = "x" * 50_000
        entries = []
        for number in range(200):
            series = home.gateway.core.catalog.series("telemetry", home.board, "log")
            entries.append((series, number, f'"{number} {text}"', ""))
        for first in range(0, 200, 20):
            await home.gateway.core.intake.store(entries[first : first + 20])
        for number in range(200):
            assert (await phone.receive_json())["value"] == f"{number} {text}"


async def test_many_commands_wait_for_the_device(home):
    """However many commands wait, the device gets all, in order."""
    for number in range(40):
        await home.gateway.core.commands.send(home.board, "led", str(number), sender="test")
    async with Script(url(home)) as device:
        for number in range(40):
            assert (await device.next())["value"] == number
        assert device.messages.empty()


async def test_what_a_script_has_read_does_not_come_again(home):
    """A script that reads one message and goes has had it: the next connection gets what is
    newer.
    """
    async with Script(url(home, "client")) as phone:
        for number in range(3):
            async with bare(url(home)) as device:
                await until(lambda: home.gateway.core.presence.is_online(home.board))
                phone.send(method="put", status={"sensor": "led", "value": number})
                assert json.loads(await device.text())["value"] == number
            await until(lambda: not home.gateway.core.presence.is_online(home.board))


async def test_get_gives_what_was_put_last(home):
    """A device that answers a command before its receipt has put last; what `get` gives is what was
    pushed.
    """
    async with bare(url(home)) as device, Script(url(home, "client")) as phone:
        phone.send(method="put", status={"sensor": "led", "value": 1})
        pushed = json.loads(await device.text())
        phone.send(method="get", sensor="led")
        assert await phone.next() == pushed
        phone.send(method="put", status={"sensor": "led", "value": 3})
        await device.text()
        await asyncio.sleep(0.002)  # the time of a put has milliseconds
        await device.socket.send_str('{"method": "put", "status": {"sensor": "led", "value": 2}}')
        answered = await phone.next()
        assert answered["value"] == 2
        await device.socket.send_str('{"method": "get", "sensor": "led"}')
        assert json.loads(await device.text()) == answered
        await device.socket.send_str('{"method": "get", "sensor": "none"}')
        assert json.loads(await device.text()) == {}
        phone.send(method="get", sensor="led")
        assert await phone.next() == answered
