"""All protocols talk at once, about one device."""

from __future__ import annotations

import json

import pytest

from gateway.access import devices
from gateway.handlers import Device, DeviceType
from gateway.store.audit import By
from tests.end_to_end.conftest import house
from tests.seed_peers import RealClient, Script, bare


class Greenhouse(DeviceType):
    """Tells every iot.io display when it is hot."""

    type = "greenhouse"

    def on_temp(self, value, device: Device):
        if value > 30:
            self.gateway.emit("alarm", {"from": device.id, "temp": value}, type="display")


@pytest.mark.parametrize("engine", ["embedded", "amqtt"])
async def test_one_value_everywhere(tmp_path, engine):
    """An MQTT device's value is read over IOTcommunicate, the REST server, WebSocket and history,
    reacted to by a handler, answered to iot.io devices of both versions; the phone's answer reaches
    the MQTT device.
    """
    async with house(tmp_path, broker={"engine": engine}) as home:
        gateway = home.gateway
        made = await gateway.access.registry.apply(
            devices.create, By("test", "", 1), type="greenhouse", style="iotcommunicate"
        )
        board, home.keys[made.record.id] = made.record.id, made.secret
        gateway.reactions.handlers.use({"greenhouse": Greenhouse()})
        keys = {name: await home.add(name, type="display") for name in ("screen", "old-screen")}
        screen = RealClient("screen", "display", {"key": keys["screen"]})
        screen.on("alarm")
        address = f"ws://127.0.0.1:{gateway.ports['http']}"
        mqtt = await home.device(board, subscribe=f"devices/{board}/commands/#")
        await mqtt.publish(f"devices/{board}/telemetry", '{"s0": 0}')
        async with (
            bare(f"{address}/iot.io") as old_screen,
            bare(f"{address}/listen/{board}?key={made.secret}") as thing,
            Script(f"{address}/ws?device={board}&key={made.secret}&side=client") as phone,
            home.listen(f"{board}/temp", snapshot=False) as listening,
            home.listen("+/status") as presence,
        ):
            # the post that nobody has heard comes first
            assert json.loads(await thing.text())["State Vector"]["s0"] == "0.0000"
            screen.run(gateway.ports["http"])
            await old_screen.socket.send_str(
                f'[/"old-screen"/][/"display"/][/"{json.dumps({"key": keys["old-screen"]})}"/]'
            )
            waiting = set(keys)
            while waiting:
                waiting.discard((await presence.frame())["device"])
            await mqtt.publish(f"devices/{board}/telemetry", '{"temp": 31.5, "s0": 4}')

            frame = await listening.frame()
            assert (frame["device"], frame["value"]) == (board, 31.5)
            status = await phone.next()
            while status["sensor"] != "temp":
                status = await phone.next()
            assert status == {
                "sensor": "temp",
                "value": 31.5,
                "time": frame["ts"] / 1000,
                "write": "device",
            }
            assert json.loads(await thing.text())["State Vector"]["s0"] == "4.0000"
            assert (await home.get("/history", device=board, channel="temp"))["frames"] == [frame]
            alarm = {"from": board, "temp": 31.5}
            assert await screen.next("alarm") == alarm
            assert await old_screen.text() == f'[/"alarm"/][/"{{"from":"{board}","temp":31.5}}"/]'

            phone.send(method="put", status={"sensor": "fan", "value": 1})
            message = await mqtt.message()
            assert (message.topic, message.payload) == (f"devices/{board}/commands/fan", b"1")
            await screen.stop(gateway)
