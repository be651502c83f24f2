"""Handlers: a user's own Python that reacts to what devices of a type do.

from gateway.handlers import Device, DeviceType

class Thermostat(DeviceType):
    type = "thermostat"

    async def on_temperature(self, value, device: Device):
        if value > 30:
            return "fan", 1
"""

from gateway.handlers.device import Device, DeviceType, Fleet

__all__ = ["Device", "DeviceType", "Fleet"]
