"""What no client library sends: refusals, wrong packets, version 0.2 byte by byte, and who is let
in.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging

import aiohttp
import pytest

from gateway.access import devices
from gateway.bridges.edge.values import device_of
from gateway.bridges.iotio import bridge
from gateway.store.audit import By
from tests.end_to_end.conftest import house
from tests.rig import until
from tests.seed_peers import bare, hello


def url(home, path="/iot.io", query=""):
    """Return the address of the bridge."""
    return f"ws://127.0.0.1:{home.gateway.ports['http']}{path}{query}"


async def refused(home, *, query="", **headers):
    """Return word, info and close code of a refusal."""
    async with bare(url(home, query=query), **headers) as peer:
        event, said = await peer.event()
        assert event == "error"
        end = await peer.socket.receive()  # it is told once
        assert end.type is aiohttp.WSMsgType.CLOSE
        return said["error"], said["info"], end.data


def without(headers, name):
    """Return headers but for one."""
    return {key: value for key, value in headers.items() if key != name}


async def test_what_a_handshake_lacks(home):
    """Each header that is missing or wrong is named with the protocol's word, and the socket is
    closed properly.
    """
    right = hello("e1", "echo", home.keys["e1"])
    for headers, word in [
        (without(right, "IoT_IO_Id"), "client_no_id"),
        (without(right, "IoT_IO_Type"), "client_no_type"),
        ({**right, "IoT_IO_Type": "toaster"}, "client_invalid_type"),
        ({**right, "IoT_IO_Data": "[1]"}, "client_invalid_data"),
        ({**right, "IoT_IO_Data": "{"}, "client_invalid_data"),
        (without(right, "IoT_IO_ProtocolVersion"), "client_no_protocol_version"),
        ({**right, "IoT_IO_ProtocolVersion": "2"}, "client_incompatible_protocol_version"),
    ]:
        assert await refused(home, **headers) == (word, None, 1008)
    assert not home.gateway.core.presence.is_online("e1")


async def test_a_wrong_endpoint_is_named(home):
    """A wrong declaration is refused with the endpoint and its problem."""
    declared = json.dumps([{"id": "led", "name": "LED", "type": "float"}])
    headers = hello("e1", "echo", home.keys["e1"], IoT_IO_Endpoints=declared)
    info = {"endpointId": "led", "endpointProblem": "invalid_type_specified"}
    assert await refused(home, **headers) == ("client_invalid_endpoints", info, 1008)
    info = {"endpointId": "", "endpointProblem": "invalid_json"}
    assert await refused(home, **{**headers, "IoT_IO_Endpoints": "{"}) == (
        "client_invalid_endpoints",
        info,
        1008,
    )


@pytest.mark.parametrize("key", [None, "", "wrong"])
async def test_without_the_key(home, key):
    """Without the device's key nobody is let in, and nothing is made of what they say."""
    for device in ("e1", "stranger"):
        assert await refused(home, **hello(device, "echo", key)) == (
            "client_invalid_data",
            None,
            4401,
        )
    assert "stranger" not in home.gateway.access.registry.devices


async def test_the_key_of_another_device(home):
    """A key opens its own device only, and a token opens none."""
    await home.add("e2", type="echo")
    assert (await refused(home, **hello("e1", "echo", home.keys["e2"])))[0] == "client_invalid_data"
    assert (await refused(home, **hello("e1", "echo", home.token)))[0] == "client_invalid_data"


async def test_the_key_as_basic_and_in_the_query(home):
    """The key may come as HTTP Basic or as `?key=`, at any path that begins with /iot.io."""
    credentials = base64.b64encode(f"e1:{home.keys['e1']}".encode()).decode()
    for address, headers in [
        (url(home), {**hello("e1", "echo"), "Authorization": f"Basic {credentials}"}),
        (url(home, "/iot.io/anything", f"?key={home.keys['e1']}"), hello("e1", "echo")),
    ]:
        async with bare(address, **headers) as peer:
            await peer.send("message", "hi")
            assert await peer.event() == ("message", "hi")


async def test_no_key_is_logged(home, caplog):
    """Neither a right nor a wrong key is to be found in the log."""
    caplog.set_level(logging.DEBUG)
    await refused(home, **hello("e1", "echo", "guessed-secret"))
    await refused(home, query="?key=guessed-secret", **hello("e1", "echo"))
    async with bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer:
        await peer.socket.send_bytes(b"\0")
        await peer.event()
    assert "guessed-secret" not in caplog.text
    assert home.keys["e1"] not in caplog.text


async def test_wrong_packets_cost_nothing_but_themselves(home):
    """Text, cut and overlong packets, unknown types and names that are too long: each is answered,
    all goes on.
    """
    await home.add("e2", type="echo")
    packet = b"\x03\0\x07message\0\0\0\x02hi"
    wrong = [
        "text",
        b"",
        packet[:-1],
        packet + b"x",
        b"\x09" + packet[1:],
        b"\x03\x11\x70" + b"e" * 70_000 + b"\0\0\0\0",
    ]
    wrong += [b"\x03\x01\x2c" + b"e" * 300 + b"\0\0\0\0"]
    async with (
        bare(url(home), **hello("e2", "echo", home.keys["e2"])) as other,
        bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer,
    ):
        for data in wrong:
            await (
                peer.socket.send_str(data)
                if isinstance(data, str)
                else peer.socket.send_bytes(data)
            )
            assert await peer.event() == ("error", {"error": "client_invalid_packet", "info": None})
        for each in (peer, other):
            await each.send("message", "hi")
            assert await each.event() == ("message", "hi")


async def test_wrong_packets_are_logged_once(home, caplog):
    """However many packets of a connection are wrong, the log has one line of it."""
    caplog.set_level(logging.INFO)
    async with bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer:
        for _ in range(5):
            await peer.socket.send_bytes(b"\0")
            assert (await peer.event())[0] == "error"
    assert caplog.text.count("a packet of e1 is refused") == 1


async def test_who_does_not_read_its_complaints_is_not_read(home):
    """A client that sends wrong packets and does not read the answers is itself not read, so the
    answers take no memory.
    """
    headers = hello("e1", "echo", home.keys["e1"])
    asked = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", home.gateway.ports["http"], limit=2_048
    )
    writer.write(
        f"GET /iot.io HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{asked}"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    (link,) = await found(lambda: home.gateway.core.presence.links("e1"))
    wrong = b"\x82\x81\0\0\0\0\0" * 10_000  # masked messages of one byte
    unread = 0
    while unread < 8 << 20 and writer.transport.get_write_buffer_size() < 4 << 20:
        writer.write(wrong)
        unread += len(wrong)
        await asyncio.sleep(0)
    await until(lambda: link.socket.backlog() > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert link.socket.backlog() < 1 << 20
    writer.transport.abort()


async def found(look):
    """Return what is there at last."""
    await until(lambda: bool(look()))
    return look()


async def test_a_message_above_the_limit(home):
    """A message above the size limit closes this connection with 1009."""
    async with bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer:
        await peer.socket.send_bytes(b"\x03\0\x01e\0\x04\0\0" + bytes(1 << 18))
        assert await peer.closed() == 1009


async def test_what_a_client_tells_of_itself(home):
    """The data of the handshake, without the key, is a frame."""
    data = json.dumps({"key": home.keys["e1"], "firmware": "1.2"})
    async with (
        home.listen("e1/data") as listening,
        bare(url(home), **hello("e1", "echo", IoT_IO_Data=data)),
    ):
        assert (await listening.frame())["value"] == {"firmware": "1.2"}


@pytest.mark.parametrize("event", ["a+b", "#", "/lead/", "a//b", "50%20", "tab\t"])
async def test_names_that_are_no_channels(home, event):
    """An event whose name cannot be a channel is percent-encoded there, and has its own name on the
    way back.
    """
    async with (
        bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer,
        home.listen("e1/#", snapshot=False) as all_,
    ):
        await peer.send(event, 1)
        frame = await all_.frame(lambda frame: frame["type"] == "telemetry")
        assert not set("+#\t") & set(frame["channel"])
        await home.gateway.core.commands.send("e1", frame["channel"], "2", sender="test")
        assert await peer.event() == (event, 2)


async def test_a_type_is_kept(home):
    """A device without a type gets that of its first client, and from then on has it."""
    key = await home.add("blank")
    async with bare(url(home), **hello("blank", "echo", key)) as peer:
        await peer.send("message", "hi")
        assert await peer.event() == ("message", "hi")
    assert (await refused(home, **hello("blank", "toaster", key)))[0] == "client_invalid_type"


async def test_a_disabled_device_is_cut_off(home):
    """A device that is disabled while it is connected is closed with 4401, and is not let in
    again.
    """
    async with bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer:
        await until(lambda: home.gateway.core.presence.is_online("e1"))
        await home.gateway.access.registry.apply(
            devices.change, By("test", "", 1), "e1", disabled=True
        )
        assert await peer.closed() == 4401
    assert (await refused(home, **hello("e1", "echo", home.keys["e1"])))[0] == "client_invalid_data"


async def test_a_command_is_sent_again_until_it_was_read(home):
    """A command whose receipt did not come goes out again over the next connection."""
    headers = hello("e1", "echo", home.keys["e1"])
    async with bare(url(home), **headers) as peer:
        await until(lambda: home.gateway.core.presence.is_online("e1"))
        peer.socket._autoping = False
        command = await home.gateway.core.commands.send("e1", "led", "1", sender="test")
        assert (await peer.socket.receive()).type is aiohttp.WSMsgType.PING
        assert await peer.event() == ("led", 1)
        assert (await home.gateway.core.commands.get(command.id)).state != "delivered"
    async with bare(url(home), **headers) as peer:
        assert await peer.event() == ("led", 1)
        reading = asyncio.create_task(peer.socket.receive())  # which answers the ping
        async with asyncio.timeout(10):
            while (await home.gateway.core.commands.get(command.id)).state != "delivered":
                await asyncio.sleep(0.01)
        reading.cancel()


async def test_version_0_2(home):
    """The seed's own version: text packets, told apart by the missing headers; brackets do no
    harm.
    """
    async with bare(url(home)) as peer, home.listen("e1/message") as listening:
        data = json.dumps({"key": home.keys["e1"]})
        await peer.socket.send_str(f'[/"e1"/][/"echo"/][/"{data}"/]')
        await peer.socket.send_str('[/"message"/][/"hi"/]')
        assert await peer.text() == '[/"message"/][/"hi"/]'
        await peer.socket.send_str('[/"message"/][/"{"a": [1]}"/]')
        assert await peer.text() == '[/"message"/][/"{"a":[1]}"/]'
        await peer.socket.send_str('[/"message"/][/"a [b] c"/]')
        assert json.loads((await peer.text())[len('[/"message"/][/"') : -3]) == "a [b] c"
        assert (await listening.frame())["value"] == "hi"
        await peer.socket.send_bytes(b"binary")
        assert await peer.text() == '[/"error"/][/"{"error":"client_invalid_packet","info":null}"/]'


@pytest.mark.parametrize(
    ("first", "word"),
    [('[/"e1"/][/"echo"/][/"{}"/]', "client_invalid_data"), ("hello", "client_invalid_packet"),
     ('[/""/][/"echo"/][/"{}"/]', "client_no_id"), ('[/"e1"/][/""/][/"{}"/]', "client_no_type")],
)  # fmt: skip
async def test_version_0_2_refusals(home, first, word):
    """A first packet that is wrong is answered in the same form, and the socket closed."""
    async with bare(url(home)) as peer:
        await peer.socket.send_str(first)
        assert word in await peer.text()
        assert await peer.closed() in {1008, 4401}


async def test_anonymous(tmp_path):
    """With `anonymous`, a client without a key is a device without an owner; devices of a user need
    their key.
    """
    async with house(tmp_path, bridges={"iotio": {"anonymous": True}}) as home:
        user = next(iter(home.gateway.access.registry.users))
        await home.add("mine", type="echo", owner=user)
        async with home.listen("new/#") as listening:
            for _ in range(2):
                async with bare(url(home), **hello("new", "echo")) as peer:
                    await peer.send("message", 1)
                    await listening.frame(lambda frame: frame["channel"] == "message")
        assert home.gateway.access.registry.devices["new"].type == "echo"
        assert (await refused(home, **hello("mine", "echo")))[0] == "client_invalid_data"
        assert (await refused(home, **hello("new", "toaster")))[0] == "client_invalid_type"
        assert (await refused(home, **hello("new", "echo", "wrong")))[0] == "client_invalid_data"


async def test_takeover_closes_the_older(home):
    """The older connection is closed with 4409; the device never goes offline."""
    headers = hello("e1", "echo", home.keys["e1"])
    async with (
        home.listen("e1/status", snapshot=False) as listening,
        bare(url(home), **headers) as older,
    ):
        assert (await listening.frame())["session"] == 1
        async with bare(url(home), **headers) as newer:
            assert await older.closed() == 4409
            frame = await listening.frame()
            assert (frame["value"], frame["session"]) == ("online", 2)
            await newer.send("message", "hi")
            assert await newer.event() == ("message", "hi")
        frame = await listening.frame()
        assert (frame["value"], frame["reason"]) == ("offline", "goodbye")


async def test_what_a_script_has_read_does_not_come_again(home):
    """A script that reads one answer and goes has had it: its next connection gets its own
    answers.
    """
    for number in range(3):
        async with bare(url(home), **hello("e1", "echo", home.keys["e1"])) as peer:
            await peer.send("message", number)
            assert await peer.event() == ("message", number)
        await until(lambda: not home.gateway.core.presence.is_online("e1"))


@pytest.mark.parametrize("name", ["Wohnzimmer Lämpe", "a@b/c", "{uuid}", "x" * 70, "token"])
async def test_ids_that_are_no_device_ids(tmp_path, name):
    """Any id is let in, as the device whose id stands for it; what the client says is its name."""
    async with house(tmp_path, bridges={"iotio": {"anonymous": True}}) as home:
        async with bare(url(home), **hello(name, "echo")) as peer:
            await peer.send("message", 1)
            (device,) = await found(lambda: list(home.gateway.core.presence.online()))
            assert home.gateway.access.registry.devices[device].name == name
            await home.gateway.core.commands.send(device, "led", "2", sender="test")
            assert await peer.event() == ("led", 2)
        async with bare(url(home), **hello(name, "echo")):
            assert list(home.gateway.access.registry.devices) == [device]


async def test_an_id_that_is_no_device_id_and_a_key(home, caplog):
    """The device that stands for such an id has a key as any other; the log names it."""
    caplog.set_level(logging.INFO)
    assert (await refused(home, **hello("living room", "echo", "wrong")))[2] == 4401
    assert device_of("living room") in caplog.text
    key = await home.add(device_of("living room"), type="echo")
    async with bare(url(home), **hello("living room", "echo", key)):
        await until(lambda: home.gateway.core.presence.is_online(device_of("living room")))


@pytest.mark.parametrize("data", ["plain text", "[1]", "7"])
async def test_version_0_2_takes_any_data(home, data):
    """What a client of version 0.2 says of itself need not be JSON, and junk around a packet is
    passed over.
    """
    async with (
        home.listen("e1/data") as listening,
        bare(url(home, query=f"?key={home.keys['e1']}")) as peer,
    ):
        await peer.socket.send_str(f'junk[/"e1"/][/"echo"/][/"{data}"/]\x00')
        value = (await listening.frame())["value"]
        assert value == (data if data == "plain text" else json.loads(data))


async def test_anonymous_is_not_for_pages_of_other_sites(tmp_path):
    """A page of another site that a browser on the trusted network shows is nobody's device."""
    async with house(tmp_path, bridges={"iotio": {"anonymous": True}}) as home:
        evil = {**hello("n1", "echo"), "Origin": "http://evil.example"}
        assert (await refused(home, **evil))[2] == 4403
        assert not home.gateway.access.registry.devices
        async with bare(url(home), **{**evil, "Origin": home.url}):
            await until(lambda: home.gateway.core.presence.is_online("n1"))


async def test_anonymous_is_not_for_devices_with_a_key(tmp_path):
    """A device of the admins, without an owner, needs the key that it was made with; one that was
    made for an anonymous client and is given a key needs it from then on.
    """
    async with house(tmp_path, bridges={"iotio": {"anonymous": True}}) as home:
        await home.add("door", type="echo")
        assert (await refused(home, **hello("door", "echo")))[2] == 4401
        async with bare(url(home), **hello("new", "echo")) as peer:
            await until(lambda: home.gateway.core.presence.is_online("new"))
            await home.gateway.access.registry.apply(devices.replace_key, By("test", "", 1), "new")
            assert await peer.closed() == 4401
        assert (await refused(home, **hello("new", "echo")))[2] == 4401


async def test_endpoints_of_anonymous_clients(tmp_path):
    """With `anonymous` anybody may set an endpoint of a device that nobody owns, and of no other;
    pages of other sites may not.
    """
    declared = json.dumps([{"id": "led", "name": "LED", "type": "string"}])
    async with (
        house(tmp_path, bridges={"iotio": {"anonymous": True}}) as home,
        aiohttp.ClientSession() as nobody,
    ):

        async def set_(device, **headers):
            asked = {"clientId": device, "endpointId": "led", "data": 5}
            async with nobody.post(f"{home.url}/api/iot.io", json=asked, headers=headers) as answer:
                return answer.status

        await home.add("e1", type="echo")
        keyed = hello("e1", "echo", home.keys["e1"], IoT_IO_Endpoints=declared)
        open_ = hello("my lamp", "echo", IoT_IO_Endpoints=declared)
        async with bare(url(home), **open_) as peer, bare(url(home), **keyed):
            await until(lambda: len(list(home.gateway.core.presence.online())) == 2)
            assert await set_("my lamp") == 200
            assert await peer.event() == ("led", "5")
            assert await set_("e1") == 401
            assert await set_("my lamp", Origin="http://evil.example") == 403


async def test_who_says_nothing_is_sent_away(home, monkeypatch):
    """A connection without headers has as long for its first packet as anybody who has not signed
    in.
    """
    assert bridge.FIRST_PACKET == 10.0
    monkeypatch.setattr(bridge, "FIRST_PACKET", 0.01)
    async with bare(url(home)) as peer:
        assert "client_no_id" in await peer.text()
        assert await peer.closed() == 1008
