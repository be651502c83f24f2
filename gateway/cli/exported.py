"""Devices of an IOTcommunicate server, as `mongoexport` writes its collection of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExportedDevice(msgspec.Struct, frozen=True, rename={"id": "deviceid", "key": "devicekey"}):
    """What a sketch has in its flash. The repr leaves the key out."""

    id: str
    key: str

    def __repr__(self) -> str:
        return f"ExportedDevice({self.id!r})"


class ExportedUser(msgspec.Struct, frozen=True):
    """A user and the devices. Their passwords stood there in the clear, and are not read."""

    email: str = ""
    devices: list[ExportedDevice] = []


_users = msgspec.json.Decoder(list[ExportedUser]).decode
_user = msgspec.json.Decoder(ExportedUser).decode


def exported(data: bytes) -> Iterator[tuple[str, ExportedDevice]]:
    """Yield the email of the owner and the device, of each device.

    `data`: one JSON object a line, or one array (`mongoexport --jsonArray`). Raises `Invalid`.
    """
    try:
        if data.lstrip()[:1] == b"[":
            users = _users(data)
        else:
            users = [_user(line) for line in data.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"this is no export of users, one JSON object a line: {error}") from None
    for user in users:
        for device in user.devices:
            yield user.email, device
