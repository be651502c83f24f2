"""A thermostat: the room's temperature comes in, the command to switch the heater goes out.

On the gateway, with this file where Python finds it (PYTHONPATH=examples):
    [handlers]
    modules = ["thermostat_handler"]                        # in gateway.toml
    gateway device add living-room --type thermostat --owner you@example.com
Then any board that sends `temperature` as living-room gets `heater` 1 or 0.
"""

from typing import ClassVar

from gateway.handlers import Device, DeviceType


class Thermostat(DeviceType):
    type = "thermostat"

    setpoints: ClassVar = {}  # by device id
    heating: ClassVar = {}

    async def on_connect(self, device: Device):
        self.heating.pop(device.id, None)  # the board may have been switched off: tell it again
        device.join("thermostats")

    async def on_setpoint(self, value, device: Device):
        self.setpoints[device.id] = float(value)

    async def on_temperature(self, value, device: Device):
        setpoint = self.setpoints.get(device.id, 21.0)
        heating = self.heating.get(device.id)
        # Half a degree either way keeps the relay from chattering.
        wanted = value < setpoint - 0.5 if not heating else value < setpoint + 0.5
        if wanted == heating:
            return None
        self.heating[device.id] = wanted
        return "heater", int(wanted)

    async def on_disconnect(self, device: Device):
        self.heating.pop(device.id, None)
