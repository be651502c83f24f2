"""Telemetry by POST: as the MQTT topics of the same names, answered once stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.access.policy import Action
from gateway.bridges.edge.sender import PRINCIPAL
from gateway.bridges.http import answers
from gateway.bridges.http.routes import API, BODY, Route
from gateway.errors import Conflict, Untranslatable
from gateway.frames import received_extra
from gateway.payloads import Decode, Reading, by_content_type, one_value, readings
from gateway.store.facts import rejection
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from gateway.bridges.http.authentication import Permission
    from gateway.catalog import Catalog
    from gateway.frames import Entry
    from gateway.intake import Intake
    from gateway.pace import Pace


class Stored(msgspec.Struct):
    """The last frame's seq, and how many frames were made."""

    seq: int
    count: int


class Telemetry:
    """Takes readings in. `seen(device)` hears of every device that sent some itself; `clock`: ms
    since 1970 UTC.
    """

    def __init__(
        self,
        intake: Intake,
        catalog: Catalog,
        permission: Permission,
        pace: Pace,
        *,
        seen: Callable[[str], None],
        clock: Callable[[], int],
    ) -> None:
        self._intake = intake
        self._catalog = catalog
        self._permission = permission
        self._pace = pace
        self._seen = seen
        self._clock = clock

    def routes(self) -> list[Route]:
        anything = {"description": "as the payload of the MQTT topic of the same name"}
        return [
            Route(
                method="POST",
                path=f"{API}/devices/{{id}}/telemetry",
                handler=self.post,
                summary="Store readings: a JSON object's keys are channels",
                body=anything,
                answer=Stored,
            ),
            Route(
                method="POST",
                path=f"{API}/devices/{{id}}/telemetry/{{channel:.+}}",
                handler=self.post_one,
                summary="Store one value: JSON, else text, else base64",
                body=anything,
                answer=Stored,
            ),
        ]

    async def post(self, request: web.Request) -> web.Response:
        return await self._store(request, "telemetry", readings)

    async def post_one(self, request: web.Request) -> web.Response:
        channel = check_channel(request.match_info["channel"])

        def read(payload: bytes, now: int, how: Decode) -> list[Reading]:
            return [Reading(channel, one_value(payload, how))]

        return await self._store(request, f"telemetry/{channel}", read)

    async def _store(
        self, request: web.Request, topic: str, read: Callable[[bytes, int, Decode], list[Reading]]
    ) -> web.Response:
        device = request.match_info["id"]
        if self._permission.device(request, Action.WRITE, device).disabled:
            raise Conflict(f"the device {device!r} is disabled")
        self._pace.admit(device)
        payload = request[BODY]
        if (
            request[PRINCIPAL].device == device
        ):  # a user's script that posts for a device says nothing of where it is
            self._seen(device)
        now = self._clock()
        try:
            found = read(
                payload,
                now,
                _codec(request, payload, one=topic != "telemetry"),
            )
        except Untranslatable as error:
            kept = rejection(now, f"devices/{device}/{topic}", device, str(error), payload)
            self._intake.submit((), facts=(kept,))
            raise
        entries = [self._entry(device, reading, now) for reading in found]
        seq = await self._intake.store(entries, size=len(payload))
        return answers.json(Stored(seq, len(entries)))

    def _entry(self, device: str, reading: Reading, now: int) -> Entry:
        series = self._catalog.series("telemetry", device, reading.channel)
        if reading.ts is None:
            return series, now, reading.value, ""
        return series, reading.ts, reading.value, received_extra(now)


def _codec(request: web.Request, payload: bytes, *, one: bool) -> Decode:
    """Return how a body is read: as its Content-Type says, where that is a format of ours.

    A body that begins like a JSON object or array is meant as JSON, but for one value that is
    said to be text.
    """
    kind = request.content_type
    said = by_content_type(kind) if "Content-Type" in request.headers else None
    if said is not None and said != "raw":
        return said
    meant = payload.lstrip()[:1] in {b"{", b"["} and not (one and kind.startswith("text/"))
    return "json" if meant else "auto"
