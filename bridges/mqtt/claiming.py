"""Claiming over MQTT: a new board announces itself on `$claim/{client id}/announce` and hears back,
once.

The answer goes to the connection that asked and to no other, on `$claim/{client id}/credentials`:
the board subscribes there first. It waits for no retained message and no later connection, so that
nobody else can come by a key.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from gateway.access import devices
from gateway.broker.port import Message
from gateway.errors import Conflict, GatewayError, Invalid
from gateway.frames import to_json
from gateway.store.audit import By

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.registry import Registry
    from gateway.bridges.mqtt.translation import Translate
    from gateway.broker.port import Connection
    from gateway.frames import Entry
    from gateway.shapes import Clock


class Announcement(msgspec.Struct, forbid_unknown_fields=True):
    """What a board says of itself; the payload may be empty."""

    name: str = ""
    type: str = ""


_decode = msgspec.json.Decoder(Announcement).decode


class Claiming:
    """Answers boards that announce themselves. `clock`: ms since 1970 UTC."""

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._silent: set[Connection] = set()  # boards that may still announce themselves
        self._answering: set[asyncio.Task[None]] = set()

    def connected(self, connection: Connection) -> None:
        """A board is signed in."""
        self._silent.add(connection)

    def disconnected(self, connection: Connection) -> None:
        """A board is gone; what it announces in its will is not heard."""
        self._silent.discard(connection)

    def of(self, board: str) -> Translate:
        """Return the function for what a board announces; it makes no frame."""

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            if message.origin is not None:
                self._hear(board, payload, message.origin)
            return ()

        return translate

    def _hear(self, board: str, payload: bytes, connection: Connection) -> None:
        if connection not in self._silent:
            _answer(connection, board, _told(Conflict("this board has announced itself already")))
            return
        self._silent.discard(connection)
        task = asyncio.create_task(self._serve(board, payload, connection), name="claim")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _serve(self, board: str, payload: bytes, connection: Connection) -> None:
        try:
            said = _read(payload)
            by = By(f"claim:{board}", connection.address, self._clock())
            issued = await self._registry.apply(
                devices.announce, by, name=said.name, type=said.type
            )
        except GatewayError as error:
            _answer(connection, board, _told(error))
        else:
            answer = {"id": issued.record.id, "key": issued.secret, "state": issued.record.state}
            _answer(connection, board, answer)


def _told(error: GatewayError) -> dict[str, str]:
    return {"error": error.code, "message": str(error)}


def _answer(connection: Connection, board: str, answer: dict[str, str]) -> None:
    message = Message(f"$claim/{board}/credentials", to_json(answer).encode(), qos=1)
    connection.send(message, lambda: None)


def _read(payload: bytes) -> Announcement:
    try:
        return _decode(payload or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(
            f'expected a JSON object such as {{"name": "Kitchen", "type": "thermostat"}}: {error}'
        ) from None
