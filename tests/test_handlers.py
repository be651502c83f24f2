"""Handlers: a user's own Python, per device in order, and nobody pays for another's fault."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import Invalid, NoReply, NotFound, Unavailable
from gateway.handlers import Device, DeviceType
from gateway.handlers.loading import load
from gateway.handlers.runtime import LANE_EVENTS, Handlers, method_name
from gateway.handlers.threads import LONG, Threads
from tests.rig import Clock, FakeLink, Rig, running, until


class House:
    """A running core with handlers, and devices of the type `thing`."""

    def __init__(self, rig: Rig, folder: Any) -> None:
        self.rig = rig
        self.types = dict.fromkeys(rig.devices, "thing")
        self.handlers = Handlers(
            hub=rig.hub,
            intake=rig.intake,
            catalog=rig.catalog,
            commands=rig.commands,
            presence=rig.presence,
            describe=self.describe,
            clock=rig.clock,
            folder=folder,
        )

    def describe(self, device: str) -> Any:
        """Return what the registry would know."""
        kind = self.types.get(device)
        return None if kind is None else types.SimpleNamespace(type=kind, name=f"the {device}")

    def use(self, *handlers: DeviceType) -> None:
        """Handle with these objects."""
        self.handlers.use({handler.type: handler for handler in handlers})

    async def tell(self, channel: str, value: Any, device: str = "kitchen") -> None:
        """Store one reading of a device."""
        await self.rig.telemetry(device, channel, msgspec.json.encode(value).decode())

    async def done(self) -> None:
        """Return when every event was handled, and what came of it is stored."""
        await self.rig.stored()
        await until(lambda: all(lane.task is None for lane in self.handlers._lanes.values()))
        await self.rig.stored()

    async def sent(self, device: str = "kitchen") -> list[tuple[str, Any]]:
        """Return name and value of every command that was made for a device."""
        await self.done()
        frames = await self.rig.frames("command", device)
        return [(f["channel"], f["value"]) for f in frames if f["state"] == "queued"]


@pytest.fixture
async def house(tmp_path):
    """A house whose handlers are closed at the end."""
    async with running(tmp_path / "a.db") as rig:
        made = House(rig, tmp_path)
        yield made
        await made.handlers.close()


class Thing(DeviceType):
    """Notes what it is told."""

    type = "thing"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def on_connect(self, device: Device) -> Any:
        self.seen.append(("connect", device.id, device.online))

    async def on_temperature(self, value: Any, device: Device) -> Any:
        self.seen.append((value, device.id))
        return ("fan", 1) if value > 30 else None

    async def on_relay_0(self, value: Any, device: Device) -> Any:
        return not value

    async def on_frame(self, frame: Any, device: Device) -> None:
        self.seen.append((frame["channel"], frame["value"], device.name))

    async def on_disconnect(self, device: Device) -> None:
        self.seen.append(("disconnect", device.id, device.online))


async def test_channels_reach_their_methods(house):
    """A channel's own method, else `on_frame`; presence has two of its own."""
    thing = Thing()
    house.use(thing)
    link = FakeLink()
    house.rig.presence.connected(link)
    await house.tell("temperature", 21.5)
    await house.tell("pressure", {"hPa": 1013})
    await house.done()
    house.rig.presence.disconnected(link, "lost")
    await house.done()
    assert thing.seen == [
        ("connect", "kitchen", True),
        (21.5, "kitchen"),
        ("pressure", {"hPa": 1013}, "the kitchen"),
        ("disconnect", "kitchen", False),
    ]


async def test_answers_become_commands(house):
    """(name, value), a bare value, None."""
    house.use(Thing())
    await house.tell("temperature", 31)
    await house.tell("temperature", 20)
    await house.tell("relay/0", False)
    assert await house.sent() == [("fan", 1), ("relay/0", True)]


async def test_any_json_value_may_be_an_answer(house):
    """False and empty ones too: only None is nothing."""

    class Echo(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            return value

    house.use(Echo())
    values = [False, 0, "", [], {}, [1, 2], {"a": None}, "x", 1.5]
    for value in [*values, None]:
        await house.tell("x", value)
    assert await house.sent() == [("x", value) for value in values]


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("temperature", "on_temperature"),
        ("relay/0", "on_relay_0"),
        ("a-b/c", "on_a_b_c"),
        ("a.b c", "on_a_b_c"),
    ],
)
def test_method_names(channel, name):
    """What cannot stand in a name becomes an underscore."""
    assert method_name(channel) == name


async def test_a_channel_named_as_an_event_is_no_event(house):
    """A device that publishes `connect` reaches `on_frame`, not `on_connect`."""
    thing = Thing()
    house.use(thing)
    for channel in ("connect", "disconnect", "frame"):
        await house.tell(channel, 1)
    await house.done()
    assert [seen[0] for seen in thing.seen] == ["connect", "disconnect", "frame"]
    assert all(len(seen) == 3 and seen[1] == 1 for seen in thing.seen)


async def test_other_types_and_other_frames_cost_nothing(house):
    """Devices without a handler, command and reply frames do not reach the runtime's lanes."""
    thing = Thing()
    house.use(thing)
    house.types["hall"] = "lamp"
    await house.tell("temperature", 1, "hall")
    await house.rig.commands.send("kitchen", "temperature", "2", sender="user:1")
    await house.rig.intake.store(house.rig.commands.replied("kitchen", "temperature", "3", None, 1))
    await house.done()
    assert thing.seen == []
    assert house.rig.catalog.series("telemetry", "hall", "temperature").groups == ()


async def test_def_methods_run_in_threads(house):
    """They may block, and may call everything that belongs to the event loop."""
    here = threading.get_ident()

    class Slow(DeviceType):
        type = "thing"

        def on_x(self, value, device):
            device.join("upstairs")
            self.gateway.emit("n", value, device=device.id)
            return "t", [threading.get_ident() == here, sorted(device.rooms)]

    house.use(Slow())
    await house.tell("x", 7)
    assert await house.sent() == [("n", 7), ("t", [False, ["upstairs"]])]


async def test_one_device_s_events_come_in_order(house):
    """Also where early ones take longer than later ones."""

    class Uneven(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            for _ in range(20 - value):
                await asyncio.sleep(0)
            return value

    house.use(Uneven())
    for value in range(20):
        await house.tell("x", value)
    assert [value for _, value in await house.sent()] == list(range(20))


async def test_an_exception_costs_one_event(house, caplog):
    """It is logged with the device and the value; the next event is handled."""

    class Bad(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            if value == "exit":
                raise SystemExit(3)
            if value == "cancel":
                raise asyncio.CancelledError
            return 1 / value

        def on_y(self, value, device):
            return self.on_z

        def on_z(self, value, device):
            raise StopIteration

        async def on_connect(self, device):
            return 5

    house.use(Bad())
    house.rig.presence.connected(FakeLink())
    for value in (0, "exit", "cancel"):
        await house.tell("x", value)
    await house.tell("y", 1)
    await house.tell("z", 1)
    await house.tell("x", 1)
    assert await house.sent() == [("x", 1.0)]
    assert house.handlers.failed == 6
    text = caplog.text
    assert "Bad.on_x fails for device kitchen: x 0: ZeroDivisionError" in text
    assert "a handler without a channel answers" in text


async def test_a_refused_command_is_logged_without_a_trace(house, caplog):
    """What the gateway refuses is a line, not a page."""

    class Wrong(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            return "a/+", 1

    house.use(Wrong())
    await house.tell("x", 1)
    await house.done()
    (record,) = [r for r in caplog.records if "Wrong.on_x" in r.getMessage()]
    assert not record.exc_info


async def test_an_answer_waits_for_storage(house, monkeypatch):
    """While nothing can be stored the lane waits, and then sends."""
    monkeypatch.setattr("gateway.handlers.runtime.UNAVAILABLE_PAUSES", (0, 0))
    submit, refusals = (
        house.rig.commands.submit,
        [Unavailable("disk full"), Unavailable("disk full")],
    )

    def refusing(*arguments, **options):
        if refusals:
            raise refusals.pop()
        return submit(*arguments, **options)

    monkeypatch.setattr(house.rig.commands, "submit", refusing)
    house.use(Thing())
    await house.tell("relay/0", True)
    assert await house.sent() == [("relay/0", False)]
    assert house.handlers.failed == 0


async def test_an_endless_handler_harms_no_other_device(house):
    """One that never returns, in a coroutine or in a thread, holds up its own device only."""
    release = threading.Event()

    class Endless(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            if device.id == "kitchen":
                await asyncio.Event().wait()
            return value

        def on_y(self, value, device):
            if device.id == "board":
                release.wait()
            return value

    house.use(Endless())
    try:
        await house.tell("x", 1)
        await house.tell("y", 1, "board")
        for device in ("kitchen", "board", "hall"):
            await house.tell("x", 2, device)
            await house.tell("y", 3, device)
        await house.rig.stored()
        await until(lambda: "hall" not in house.handlers._lanes)
        frames = await house.rig.frames("command", "hall")
        assert [f["value"] for f in frames] == [2, 3]
        assert await house.rig.frames("command", "kitchen") == []
    finally:
        release.set()


async def test_a_handler_that_does_not_keep_up_loses_the_oldest(house, caplog):
    """Its lane is bounded; the log says when it begins and how many it was."""
    gate = asyncio.Event()
    seen = []

    class Slow(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            await gate.wait()
            seen.append(value)

    house.use(Slow())
    series = house.rig.catalog.series("telemetry", "kitchen", "x")
    await house.tell("x", -1)
    await asyncio.sleep(0)
    await house.rig.intake.store([(series, 1, str(n), "") for n in range(LANE_EVENTS + 5)])
    assert house.handlers.dropped == 5
    gate.set()
    await house.done()
    assert seen == [-1, *range(5, LANE_EVENTS + 5)]
    assert "5 events were dropped" in caplog.text
    assert caplog.text.count("do not keep up") == 1


async def test_a_handler_that_hangs_is_told_of_once(house, caplog):
    """After a minute the log says which device's."""

    class Hanging(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            await asyncio.Event().wait()

    house.use(Hanging())
    await house.tell("x", 1)
    await asyncio.sleep(0)
    house.rig.clock.forward(61)
    house.handlers.sweep()
    house.handlers.sweep()
    assert caplog.text.count("a handler of kitchen has been running for 61 s") == 1


async def test_a_closed_room_is_empty(house):
    """All devices have left a room that is closed, and are still in their others."""

    class Roomy(DeviceType):
        type = "thing"

        def on_connect(self, device):
            device.join("hall")
            device.join("yard")

        def on_x(self, value, device):
            self.gateway.close_room("hall")
            self.gateway.close_room("never there")
            reached = [self.gateway.emit("r", value, room=room) for room in ("hall", "yard")]
            device.send("left", [reached, sorted(device.rooms)])

    house.use(Roomy())
    for device in ("kitchen", "hall"):
        house.rig.presence.connected(FakeLink(device))
    await house.done()
    await house.tell("x", 1)
    assert ("left", [[0, 2], ["yard"]]) in await house.sent()


async def test_rooms(house):
    """A command to a room reaches those in it that are online; a type filters it; who disconnects
    has left.
    """

    class Roomy(DeviceType):
        type = "thing"

        async def on_connect(self, device):
            device.join("all")
            device.join("none")
            device.leave("none")

        async def on_x(self, value, device):
            reached = [
                self.gateway.emit("r", value, room="all"),
                self.gateway.emit("r", value, room="all", type="lamp"),
                self.gateway.emit("r", value, room="none"),
                self.gateway.emit("r", value, type="thing"),
            ]
            device.send("reached", reached)

    house.use(Roomy())
    links = {device: FakeLink(device) for device in ("kitchen", "hall")}
    for link in links.values():
        house.rig.presence.connected(link)
    await house.done()
    await house.tell("x", 1)
    assert ("reached", [2, 0, 0, 2]) in await house.sent()
    assert await house.sent("board") == []
    house.rig.presence.disconnected(links["hall"], "lost")
    await house.done()
    await house.tell("x", 2)
    assert ("reached", [1, 0, 0, 1]) in await house.sent()
    assert await house.sent("hall") == [("r", 1), ("r", 1)]


async def test_emit_to_one_device_tells_what_is_wrong(house):
    """An unknown device is an error, and so is nobody at all."""
    thing = Thing()
    house.use(thing)
    with pytest.raises(NotFound):
        thing.gateway.emit("n", 1, device="nowhere")
    with pytest.raises(ValueError, match="a device, a room or a type"):
        thing.gateway.emit("n", 1)


async def test_request_returns_the_reply(house):
    """A handler may ask its own device and wait for the answer."""

    class Asking(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            return "got", await device.request("question", value, timeout=60)

        async def on_y(self, value, device):
            await device.request("nothing", value, timeout=0.001)

    house.use(Asking())
    link = FakeLink()
    house.rig.presence.connected(link)
    await house.tell("x", 1)
    await until(lambda: link.got)
    await house.rig.intake.store(
        house.rig.commands.replied("kitchen", "question", '{"a":2}', None, 1)
    )
    assert await house.sent() == [("question", 1), ("got", {"a": 2})]
    await house.tell("y", 1)
    await house.done()
    assert house.handlers.failed == 1
    with pytest.raises(NoReply):
        await house.handlers._types["thing"].gateway.device("kitchen").request("q", timeout=0.001)


async def test_presence_of_a_time_before_is_not_told(tmp_path):
    """The offline frames of a restart reach no handler that was never told of a connection."""
    async with running(tmp_path / "a.db") as rig:
        rig.presence.connected(FakeLink())
        await rig.stored()
    async with running(tmp_path / "a.db") as rig:
        house = House(rig, tmp_path)
        thing = Thing()
        house.use(thing)
        await house.done()
        assert thing.seen == []
        await house.handlers.close()


async def test_a_type_that_changes_takes_effect_at_once(house):
    """The registry says what type a device is, event by event."""
    thing = Thing()
    house.use(thing)
    house.types["hall"] = "lamp"
    await house.tell("temperature", 1, "hall")
    house.types["hall"] = "thing"
    house.rig.hub.invalidate()
    await house.tell("temperature", 2, "hall")
    await house.done()
    assert thing.seen == [(2, "hall")]


async def test_threads_let_long_calls_go_on_beside(tmp_path):
    """A call that takes long gives its place away; only so many may."""
    clock, release = Clock(), threading.Event()
    threads = Threads(clock, places=1, long_ones=1)
    try:
        long = asyncio.create_task(threads.run(release.wait))
        short = asyncio.create_task(threads.run(lambda: 1))
        await asyncio.sleep(0)
        threads.sweep()
        assert threads._places.locked()
        clock.now += LONG
        threads.sweep()
        assert await short == 1
        second = asyncio.create_task(threads.run(release.wait))
        await asyncio.sleep(0)
        clock.now += LONG
        threads.sweep()
        assert threads._places.locked()
        release.set()
        assert await long
        assert await second
        assert await threads.run(lambda: 2) == 2
    finally:
        release.set()
        threads.close()


async def test_threads_do_without_one_that_the_system_refuses(monkeypatch):
    """The call fails, and its place is free again."""
    threads = Threads(Clock(), places=1)

    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            await threads.run(lambda: 1)
    assert await threads.run(lambda: 2) == 2
    threads.close()


# Loading


GOOD = """
from gateway.handlers import DeviceType

class Lamp(DeviceType):
    type = "lamp"
    def on_x(self, value, device):
        return {answer}
"""


def write(folder, name: str, text: str) -> str:
    """Write a module, and return its name."""
    (folder / f"{name}.py").write_text(text)
    return name


def test_modules_are_found_beside_the_config_file(tmp_path):
    """Types come by name; bases without a type, and what a module imports, are none of its
    types.
    """
    text = (
        GOOD.format(answer=1)
        + "class Base(DeviceType): pass\nfrom tests.test_handlers import Thing\n"
    )
    found = load([write(tmp_path, "lamp_a", text)], tmp_path)
    assert list(found) == ["lamp"]
    assert found["lamp"].on_x(0, None) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nothing_of_this_name",
            r"cannot import bad: ModuleNotFoundError: .*nothing_of_this_name.*line 1",
        ),
        ("1 / 0", r"cannot import bad: ZeroDivisionError.*bad.py, line 1"),
        ("def (", "cannot import bad: SyntaxError"),
        ("raise SystemExit(1)", "cannot import bad: SystemExit"),
        ("x = 1", "bad has no DeviceType with a type"),
        (GOOD.format(answer=1) * 2 + "Other = Lamp", None),
        (
            GOOD.format(answer=1) + "class Two(DeviceType): type = 'lamp'",
            "Lamp and Two are both of type 'lamp'",
        ),
        (GOOD.format(answer=1) + "    type = 5", "Lamp.type is not a text"),
        (
            GOOD.format(answer=1) + "    def __init__(self): raise OSError('no')",
            r"Lamp\(\) fails: OSError: no",
        ),
        (
            GOOD.format(answer=1) + "    def on_conect(self, device): pass",
            r"Lamp.on_conect must be on_conect\(self, v",
        ),
        (GOOD.format(answer=1) + "    def on_connect(self): pass", r"on_connect\(self, device\)"),
        (
            GOOD.format(answer=1) + "    def on_frame(self, device): pass",
            r"on_frame\(self, frame, device\)",
        ),
    ],
)
def test_mistakes_are_clear(tmp_path, monkeypatch, text, message):
    """The error names the module or the class, and what is wrong with it."""
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, "bad", text)
    if message is None:
        assert list(load(["bad"], tmp_path, ["bad"])) == ["lamp"]
    else:
        with pytest.raises(Invalid, match=message):
            load(["bad"], tmp_path, ["bad"])


def test_a_missing_module_is_named(tmp_path):
    """A module that is not there is named, without a trace into the import machinery."""
    with pytest.raises(
        Invalid, match=r"cannot import no\.such: ModuleNotFoundError: No module named 'no'$"
    ):
        load(["no.such"], tmp_path)


def test_the_documented_handler_loads(tmp_path):
    """The example in docs/handlers.md is a module with a device type."""
    page = (Path(__file__).parents[1] / "docs" / "handlers.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert list(load([write(tmp_path, "documented_thermostat", example)], tmp_path)) == [
        "thermostat"
    ]


async def test_hot_reload(house, tmp_path):
    """New code handles the next event; a mistake leaves the old one in place."""
    house.types["kitchen"] = "lamp"
    write(tmp_path, "lamp_b", GOOD.format(answer=1))
    house.handlers.load(["lamp_b"])
    assert house.handlers.types == {"lamp"}
    await house.tell("x", 0)
    await house.done()
    write(tmp_path, "lamp_b", GOOD.format(answer=2))
    await house.handlers.reload(["lamp_b"])
    await house.tell("x", 0)
    await house.done()
    write(tmp_path, "lamp_b", "1 / 0")
    with pytest.raises(Invalid, match="ZeroDivisionError"):
        await house.handlers.reload(["lamp_b"])
    await house.tell("x", 0)
    assert await house.sent() == [("x", 1), ("x", 2), ("x", 2)]
    await house.handlers.reload([])
    await house.tell("x", 0)
    assert len(await house.sent()) == 3


async def test_close_ends_what_runs(tmp_path, caplog):
    """Coroutines are cancelled, and that is no failure."""
    caplog.set_level(logging.ERROR)
    async with running(tmp_path / "a.db") as rig:
        house = House(rig, tmp_path)

        class Hanging(DeviceType):
            type = "thing"

            async def on_x(self, value, device):
                await asyncio.Event().wait()

        house.use(Hanging())
        await house.tell("x", 1)
        await asyncio.sleep(0)
        await house.handlers.close()
        await house.tell("x", 2)
        assert house.handlers.failed == 0
        assert caplog.text == ""


class EchoClient(DeviceType):
    """The quickstart of iot.io, with our handlers."""

    type = "echo"

    def on_connect(self, device: Device) -> None:
        print("New Ping Client Connected! ID: " + device.id)

    def on_message(self, message: str, device: Device) -> str:
        print("Message from Client with ID '" + device.id + "': " + message)
        return message

    def on_disconnect(self, device: Device) -> None:
        print("Echo Client Disconnected! ID: " + device.id)


async def test_the_quickstart_of_iotio(house, capsys):
    """Connect, message, reply on `message`, disconnect."""
    house.types["kitchen"] = "echo"
    house.use(EchoClient())
    link = FakeLink()
    house.rig.presence.connected(link)
    await house.tell("message", "hi")
    await house.done()
    assert [(c.name, c.value) for c in link.got] == [("message", '"hi"')]
    house.rig.presence.disconnected(link, "goodbye")
    await house.done()
    assert capsys.readouterr().out.splitlines() == [
        "New Ping Client Connected! ID: kitchen",
        "Message from Client with ID 'kitchen': hi",
        "Echo Client Disconnected! ID: kitchen",
    ]


class Everybody(DeviceType):
    """Notes what happens to devices of any type."""

    type = "*"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def on_connect(self, device: Device) -> None:
        self.seen.append(("connect", device.id))

    async def on_temperature(self, value: Any, device: Device) -> None:
        self.seen.append((device.id, value))

    async def on_disconnect(self, device: Device) -> None:
        self.seen.append(("disconnect", device.id))


async def test_a_handler_for_every_type(house):
    """The type `*` hears of devices of every type, beside the type's own handlers."""
    any_, thing = Everybody(), Thing()
    house.use(any_, thing)
    house.types["garden"] = "another"
    house.rig.devices.add("garden")
    links = [FakeLink(), FakeLink("garden")]
    for link in links:
        house.rig.presence.connected(link)
    await house.tell("temperature", 5, "garden")
    await house.done()
    house.rig.presence.disconnected(links[1], "lost")
    await house.done()
    assert any_.seen[:2] == [("connect", "kitchen"), ("connect", "garden")]
    assert any_.seen[2:] == [("garden", 5), ("disconnect", "garden")]
    assert thing.seen == [("connect", "kitchen", True)]


async def test_updates(house):
    """`on_update` hears of a command that somebody gives a device, and of none that handlers
    send.
    """

    class Watch(DeviceType):
        type = "thing"
        seen: list[Any] = []  # noqa: RUF012

        async def on_update(self, name, value, device):
            self.seen.append((name, value, device.id))
            return "echo", value

        async def on_x(self, value, device):
            device.send("from_handler", value)

    house.use(Watch())
    link = FakeLink()
    house.rig.presence.connected(link)
    await house.rig.commands.send("kitchen", "led", "1", sender="user:1")
    await house.tell("x", 2)
    assert await house.sent() == [("led", 1), ("echo", 1), ("from_handler", 2)]
    assert Watch.seen == [("led", 1, "kitchen")]


async def test_a_channel_named_update(house, tmp_path):
    """With two parameters `on_update` is the method of the channel `update`."""

    class Zigbee(DeviceType):
        type = "thing"
        seen: list[Any] = []  # noqa: RUF012

        async def on_update(self, value, device):
            self.seen.append(value)

    house.use(Zigbee())
    await house.tell("update", {"state": "idle"})
    await house.rig.commands.send("kitchen", "led", "1", sender="user:1")
    await house.done()
    assert Zigbee.seen == [{"state": "idle"}]


async def test_who_is_there(house):
    """Handlers may ask which devices are online: all, of a type, in a room."""
    thing = Thing()
    house.use(thing)
    house.types["garden"] = "another"
    house.rig.devices.add("garden")
    for device in ("kitchen", "garden"):
        house.rig.presence.connected(FakeLink(device))
    gateway = thing.gateway
    gateway.device("garden").join("hall")
    assert [device.id for device in gateway.devices()] == ["kitchen", "garden"]
    assert [device.id for device in gateway.devices(type="thing")] == ["kitchen"]
    assert [device.id for device in await asyncio.to_thread(gateway.devices, room="hall")] == [
        "garden"
    ]


async def test_now_or_never(house):
    """With a ttl of 0 a command goes to a device that is connected, or not at all; it waits for
    none that comes later.
    """
    thing = Thing()
    house.use(thing)
    kitchen = thing.gateway.device("kitchen")
    assert not kitchen.send("led", 1, ttl=0)
    assert thing.gateway.emit("led", 1, device="kitchen", ttl=0) == 0
    assert await house.sent() == []
    link = FakeLink(room=0)  # it is there, and takes nothing now
    house.rig.presence.connected(link)
    assert kitchen.send("led", 2, ttl=0)
    assert thing.gateway.emit("led", 3, type="thing", ttl=0) == 1
    await house.done()
    house.rig.clock.forward(2)
    link.room = 10
    house.rig.commands.sweep()
    await house.done()
    assert link.values == []


async def test_a_type_whose_answers_do_not_wait(house):
    """`ttl` of a type holds for what its methods return and send, unless they say otherwise."""

    class Chat(DeviceType):
        type = "thing"
        ttl = 0

        async def on_message(self, value, device):
            device.send("kept", value, ttl=60)
            return value

    house.use(Chat())
    await house.tell("message", "hello")
    assert await house.sent() == [("kept", "hello")]


async def test_a_handler_publishes_a_value(house):
    """A converted or flattened value is a reading like any other, for handlers and listeners."""

    class Meter(DeviceType):
        type = "thing"
        seen: list[Any] = []  # noqa: RUF012

        async def on_ENERGY(self, value, device):  # noqa: N802
            device.publish("power", value["Power"])

        def on_power(self, value, device):
            self.seen.append((value, device.latest("power"), device.latest("none", 7)))
            device.publish("raw", b"\0\xff")

    meter = Meter()
    house.use(meter)
    await house.tell("ENERGY", {"Power": 12.5})
    await house.done()
    await house.done()
    frames = await house.rig.frames("telemetry")
    assert [(f["channel"], f["value"]) for f in frames][1:] == [
        ("power", 12.5),
        ("raw", {"base64": "AP8="}),
    ]
    assert Meter.seen == [(12.5, 12.5, 7)]
    with pytest.raises(NotFound):
        meter.gateway.device("nobody").publish("x", 1)


async def test_bytes_are_bytes(house):
    """What a handler sends as bytes is bytes on the wire of those that have them."""

    class Camera(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            return b"\0\xff"

    house.use(Camera())
    await house.tell("x", 1)
    assert await house.sent() == [("x", {"base64": "AP8="})]


async def test_a_removed_device_leaves_nothing(house):
    """The lane, the waiting events and the rooms of a removed device are let go, though no
    `offline` is told of it; a handler that still runs puts it into no room.
    """
    held = asyncio.Event()

    class Slow(DeviceType):
        type = "thing"

        async def on_x(self, value, device):
            device.join("hall")
            await held.wait()
            device.join("late")

    slow = Slow()
    house.use(slow)
    house.rig.presence.connected(FakeLink())
    for value in range(3):
        await house.tell("x", value)
    await until(lambda: bool(house.handlers._context.rooms.members("hall")))
    house.types.pop("kitchen")
    house.handlers.forget("kitchen")
    held.set()
    await house.done()
    assert house.handlers._lanes == {}
    assert house.handlers._waiting == 0
    assert house.handlers._context.rooms.of("kitchen") == frozenset()
    house.handlers.forget("kitchen")
