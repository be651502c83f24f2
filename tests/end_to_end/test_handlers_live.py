"""Handlers in a running gateway, with real devices: what they are told, what they answer, what they
cannot break.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from gateway.broker.embedded.codec.packets import Publish
from tests.end_to_end.conftest import WAIT, house
from tests.end_to_end.daemon_process import ROOT, daemon
from tests.end_to_end.wire_device import WireDevice

LAMP = """
import asyncio
import threading
import time
from gateway.handlers import Device, DeviceType

TOLD = []
RELEASE = threading.Event()

class Lamp(DeviceType):
    type = "lamp"

    async def on_connect(self, device: Device):
        TOLD.append(("connect", device.id))
        device.join("upstairs")

    async def on_relay_0(self, value, device: Device):
        return "switched", {"relay": value}

    def on_air_quality(self, value, device: Device):
        return "thread", threading.current_thread() is threading.main_thread()

    async def on_raise(self, value, device: Device):
        raise RuntimeError("no")

    async def on_endless(self, value, device: Device):
        await asyncio.Event().wait()

    def on_sleepy(self, value, device: Device):
        RELEASE.wait(60)

    async def on_all(self, value, device: Device):
        self.gateway.emit("room", value, room="upstairs")

    async def on_types(self, value, device: Device):
        self.gateway.emit("typed", value, type="lamp")

    async def on_ask(self, value, device: Device):
        try:
            return "answered", await device.request("question", value, timeout=value)
        except Exception as error:
            return "answered", type(error).__name__

    async def on_frame(self, frame, device: Device):
        return "other", [frame["channel"], frame["value"]]

    async def on_disconnect(self, device: Device):
        TOLD.append(("disconnect", device.id))
"""


async def tell(device: Any, channel: str, value: object) -> None:
    """Publish a reading."""
    await device.publish(f"devices/{device.name}/telemetry/{channel}", json.dumps(value))


async def heard(device: Any) -> tuple[str, Any]:
    """Return name and value of the next command."""
    message = await device.message()
    return message.topic.split("/commands/")[1], json.loads(message.payload)


@pytest.fixture
async def lamps(tmp_path, monkeypatch):
    """A gateway whose lamps have handlers, and two lamps that listen."""
    name = f"lamp_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(LAMP)
    async with house(tmp_path, handlers={"modules": [name]}) as home:
        devices = []
        for device in ("one", "two"):
            await home.add(device, type="lamp")
            devices.append(await home.device(device, subscribe=f"devices/{device}/commands/#"))
        yield home, *devices
        sys.modules[name].RELEASE.set()


async def test_channels_answers_and_rooms(lamps):
    """Methods by channel, the others to `on_frame`; answers, rooms, types and requests reach the
    devices.
    """
    _, one, two = lamps
    await tell(one, "relay/0", True)
    assert await heard(one) == ("switched", {"relay": True})
    await tell(one, "air-quality", 3)
    assert await heard(one) == ("thread", False)
    await tell(one, "any/thing", [1])
    assert await heard(one) == ("other", ["any/thing", [1]])
    await tell(two, "relay/0", 1)
    await heard(two)  # both have joined by now
    await tell(one, "all", "hi")
    assert [await heard(one), await heard(two)] == [("room", "hi")] * 2
    await tell(two, "types", "ho")
    assert [await heard(one), await heard(two)] == [("typed", "ho")] * 2
    await tell(one, "ask", 10)
    assert await heard(one) == ("question", 10)
    await one.publish("devices/one/replies/question", '"42"')
    assert await heard(one) == ("answered", "42")
    await tell(one, "ask", 0.1)
    assert await heard(one) == ("question", 0.1)
    assert await heard(one) == ("answered", "NoReply")


@pytest.mark.parametrize("channel", ["raise", "endless", "sleepy"])
async def test_what_goes_wrong_costs_nobody_else(lamps, channel):
    """A handler that raises, or never ends, holds up its own device at most; the others and the
    stop go on.
    """
    home, one, two = lamps
    await tell(one, channel, 1)
    await tell(one, "relay/0", 1)
    for number in range(20):
        await tell(two, "relay/0", number)
        assert await heard(two) == ("switched", {"relay": number})
    if channel == "raise":
        assert await heard(one) == ("switched", {"relay": 1})
        assert home.gateway.reactions.handlers.failed == 1
    else:
        assert one.messages.empty()


async def test_coming_and_going_is_told(lamps):
    """`on_connect` and `on_disconnect`, once each; who has gone is in no room."""
    home, one, two = lamps
    told = sys.modules[
        next(name for name in sys.modules if name.startswith("lamp_") and "coming" in name)
    ].TOLD
    one.client.disconnect()
    async with asyncio.timeout(WAIT):
        while ("disconnect", "one") not in told:
            await asyncio.sleep(0.01)
    await tell(two, "all", 1)
    assert await heard(two) == ("room", 1)
    waiting = home.gateway.core.commands.waiting("one")
    assert (sorted(told), waiting) == (
        [("connect", "one"), ("connect", "two"), ("disconnect", "one")],
        0,
    )


COUNTING = """
from gateway.handlers import DeviceType

class Counter(DeviceType):
    type = "counter"

    async def on_n(self, value, device):
        return "n", value + {step}
"""


async def answer_of(device: WireDevice, value: int) -> Any:
    """Send a reading; return what its handler answers."""
    device.write(Publish("devices/kitchen/telemetry/n", str(value).encode()))
    command = await device.command()
    device.acknowledge(command)
    return json.loads(command.payload)


async def test_sighup_reads_a_changed_module_and_keeps_a_broken_one_out(tmp_path):
    """A change takes effect at SIGHUP without a restart; a module that does not load leaves all as
    it was.
    """
    module = tmp_path / "counting.py"
    module.write_text(COUNTING.format(step=1))
    async with daemon(tmp_path, '[handlers]\nmodules = ["counting"]\n') as gateway:
        key = await gateway.add("kitchen", type="counter")
        device = await WireDevice.connect(gateway.ports["mqtt"], "kitchen", key)
        await device.subscribe("devices/kitchen/commands/#")
        assert await answer_of(device, 1) == 2
        module.write_text("this is no Python\n")
        os.kill(gateway.pid, signal.SIGHUP)
        assert await answer_of(device, 1) == 2
        module.write_text(COUNTING.format(step=10))
        os.kill(gateway.pid, signal.SIGHUP)
        async with asyncio.timeout(WAIT):
            while await answer_of(device, 1) != 11:
                await asyncio.sleep(0.02)
        device.goodbye()


def test_a_broken_module_stops_the_start_with_one_line(tmp_path):
    """Exit status 2 and one line that names file, table, module, reason and place."""
    (tmp_path / "broken.py").write_text("import json\nthis is no Python\n")
    config = tmp_path / "gateway.toml"
    config.write_text('[mqtt]\nport = 0\n[http]\nport = 0\n[handlers]\nmodules = ["broken"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "--config", config],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        f"{config}: [handlers] modules: cannot import broken: SyntaxError: invalid syntax" in line
    )
