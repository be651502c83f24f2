"""The IoT REST server of the "IoT Server Framework Proposal": a thing has seven numbers, `s0` to
`s6`.

`/things/post/SLUG?s0=..&s6=..` sets them, `/things/read/SLUG` reads them, the WebSocket
`/listen/SLUG` tells every post. A thing is a device, its numbers are the channels of these names,
so that what a board sends over MQTT shows here. The words of the answers, odd as they are, are
those that its clients know.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiohttp import web

from gateway.access import devices
from gateway.access.policy import Action
from gateway.bridges.edge.anonymous import Anonymous
from gateway.bridges.edge.listening import listening
from gateway.bridges.edge.sockets import Open, accepted, framed
from gateway.bridges.edge.values import device_of, line_of
from gateway.errors import Forbidden, GatewayError, Invalid, NotFound, Untranslatable
from gateway.frames import encode, to_json
from gateway.hub import Encoding, Listener, Subscription
from gateway.payloads import one_value
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.access.principal import Principal
    from gateway.access.registry import Registry
    from gateway.bridges.edge.door import Door
    from gateway.bridges.edge.sockets import Socket
    from gateway.catalog import Catalog
    from gateway.frames import Entry, Series
    from gateway.hub import Hub
    from gateway.intake import Intake
    from gateway.pace import Pace
    from gateway.shapes import Clock, TellOfDevice

SLOTS = tuple(f"s{number}" for number in range(7))
STATE = "Debugg State"  # their spelling
MADE = "Object not found in database, creating object ... "
ASSIGNED = "Object found in database, value assigned to object"
FOUND = "Object found in database!! Values will be displayed"
UNKNOWN = "Object not found in database... "
MISSING = "Object not found in database, first create object via http"
PLACEHOLDER = {"All Data": "This is a Placeholder"}
_DECIMALS = Decimal("0.0001")
_ROUND = Context(prec=400)  # digits, more than any float has; half to even, as theirs
_decode = msgspec.json.Decoder().decode


def numbers(query: Mapping[str, str]) -> dict[str, str]:
    """Return the JSON text of every slot's number; a missing one is 0. Raises `Invalid` that names
    the wrong ones.
    """
    wrong: dict[str, str] = {}
    found: dict[str, str] = {}
    for slot in SLOTS:
        try:
            found[slot] = one_value(query.get(slot, "0").encode(errors="replace"), "number")
        except Untranslatable as error:
            wrong[slot] = str(error)
    if wrong:
        raise Invalid("; ".join(f"{slot}: {why}" for slot, why in wrong.items()), fields=wrong)
    return found


def shown(value: Any) -> str:
    """Return a slot's value as text; a number has four decimals, unless it is longer than any."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else to_json(value)
    exact = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
    try:
        rounded = exact.quantize(_DECIMALS, context=_ROUND)
    except InvalidOperation:
        return str(exact)
    return str(rounded or abs(rounded))  # no -0.0000


class Update(NamedTuple):
    """A slot's new value, as it comes to a listener."""

    seq: int
    slot: int
    ts: int
    value: str


def _update(seq: int, entry: Entry, data: bytes) -> Update | None:
    series, ts, value, _ = entry
    wanted = series.type == "telemetry" and series.channel in SLOTS
    return Update(seq, SLOTS.index(series.channel), ts, value) if wanted else None


ENCODING = Encoding(frame=_update, join=lambda parts: parts)


class Teller:
    """A listener's outlet: makes one message of the slots that were set together, and writes it to
    the socket.

    Frames that follow each other, at one time, in the order of the slots, were set together. A run
    that reaches the end of what was written goes out once the listener is live: while it catches
    up, the next page may go on with it.
    """

    def __init__(self, socket: Socket, thing: str, state: dict[str, str]) -> None:
        self.listener: Listener | None = None
        self._socket = socket
        self._thing = thing
        self._state = state
        self._last: Update | None = None  # of a run that was not told yet
        self._settling: asyncio.Handle | None = None

    def write(self, data: Iterable[Update | None]) -> None:
        for update in data:
            if update is not None:
                self._take(update)
        if self._last is not None and self._settling is None:
            self._settling = asyncio.get_running_loop().call_soon(self._settle)

    def backlog(self) -> int:
        return self._socket.backlog()

    async def drained(self) -> None:
        await self._socket.drained()

    def _take(self, update: Update) -> None:
        last = self._last
        if last is not None and not (
            last.seq + 1 == update.seq and last.slot < update.slot and last.ts == update.ts
        ):
            self.tell()
        self._state[SLOTS[update.slot]] = shown(_decode(update.value))
        self._last = update
        if update.slot == len(SLOTS) - 1:
            self.tell()

    def _settle(self) -> None:
        self._settling = None
        if self._last is not None and self.listener is not None and self.listener.live:
            self.tell()

    def tell(self) -> None:
        """Write the state as it is now."""
        self._last = None
        self._socket.write(
            framed(
                to_json({STATE: ASSIGNED, "Thing name": self._thing, "State Vector": self._state})
            )
        )


class Things:
    """Serves the REST server's clients. `seen(device)`: hears of each device that posts;
    `max_size`: bytes.
    """

    def __init__(
        self,
        *,
        door: Door,
        registry: Registry,
        hub: Hub,
        intake: Intake,
        catalog: Catalog,
        seen: TellOfDevice,
        pace: Pace,
        clock: Clock,
        max_size: int,
        anonymous: bool = False,
    ) -> None:
        self._anonymous = Anonymous(
            door=door, registry=registry, clock=clock, name="things", permitted=anonymous
        )
        self._listening: Counter[str] = Counter()
        self._heard: dict[str, int] = {}  # up to which seq the last listener of a thing heard it
        self._door = door
        self._registry = registry
        self._hub = hub
        self._intake = intake
        self._catalog = catalog
        self._seen = seen
        self._clock = clock
        self._pace = pace
        self._max_size = max_size
        self.open = Open(door.valid)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/things/post/{slug}", self.post, allow_head=False),
            web.get("/things/read/{slug}", self.read),
            web.get("/listen/{slug}", self.listen, allow_head=False),
        ]

    async def post(self, request: web.Request) -> web.Response:
        """Set the seven numbers; answered once they are stored."""
        query = dict(request.query.items())  # of a slot that is named twice, the last
        vector = numbers(query)
        principal, device = await self._provide(request)
        self._pace.admit(device)
        known = bool(self._slots(device))
        now = self._clock()
        if principal.device is not None:
            self._seen(device)
        entries = [
            (self._catalog.series("telemetry", device, slot), now, value, "")
            for slot, value in vector.items()
        ]
        await self._intake.store(entries)
        given = {slot: query.get(slot, 0) for slot in SLOTS}
        return _json({"Vector State: ": given, STATE: ASSIGNED if known else MADE})

    async def read(self, request: web.Request) -> web.Response:
        """Read the seven numbers."""
        principal, device = self._enter(request)
        found = self._visible(principal, device)
        if not found:
            return _json({STATE: UNKNOWN, **PLACEHOLDER})
        return _json({STATE: FOUND, **_state(found), **PLACEHOLDER})

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Tell every post from now on, and first the last one if nobody has heard it."""
        principal, device = self._enter(request)
        async with accepted(request, max_size=self._max_size) as socket:
            if principal is not None and self._visible(principal, device):
                await self._tell(socket, principal, device, request.match_info["slug"])
            else:
                socket.write(framed(to_json({STATE: MISSING})))
                await socket.close(_Unknown(MISSING))
        return socket.response

    async def _tell(self, socket: Socket, principal: Principal, device: str, name: str) -> None:
        slots = self._slots(device)
        teller = Teller(socket, name, _state(slots))
        listener = teller.listener = Listener(
            self._hub, teller, ENCODING, self._door.view(principal)
        )
        listener.subscribe("all", Subscription(TopicFilter(f"{device}/+")))
        listener.begin("all")
        if not self._listening[device] and _newest(slots) > self._heard.get(device, 0):
            teller.tell()
        self._listening[device] += 1
        self.open.add(socket, principal)
        try:
            async with listening(listener, socket.end):
                while await socket.next() is not None:
                    pass  # a listener has nothing to say
        finally:
            self.open.discard(socket)
            self._left(device)

    def _left(self, device: str) -> None:
        """A listener of a thing has ended: it has heard what there was."""
        self._listening[device] -= 1
        if not self._listening[device]:
            del self._listening[device]
        self._heard[device] = self._hub.seq
        if len(self._heard) > len(self._registry.devices):
            there = self._registry.devices
            self._heard = {each: seq for each, seq in self._heard.items() if each in there}

    def _enter(self, request: web.Request) -> tuple[Principal | None, str]:
        """Return who asks, and the device; None, where anybody may ask, of a device that is not
        there.
        """
        device = device_of(request.match_info["slug"])
        if not self._anonymous.asks(request):
            return self._door.enter(request, device), device
        there = device in self._registry.devices
        return self._anonymous.enter(request, device) if there else None, device

    async def _provide(self, request: web.Request) -> tuple[Principal, str]:
        """Return who may write a device, and the device, which is made if there is none and the
        principal may.
        """
        slug = request.match_info["slug"]
        principal, device = self._enter(request)
        name = "" if device == slug else line_of(slug)
        if principal is None:
            await self._anonymous.provide(device, "thing", request, name=name)
            principal = self._anonymous.enter(request, device)
        if device not in self._registry.devices and self._door.may(principal, Action.CREATE_DEVICE):
            create = Action.CREATE_DEVICE
            by = self._door.by(request, principal, create, device, self._clock())
            await self._registry.apply(
                devices.create, by, id=device, name=name, type="thing", owner=principal.owner
            )
        self._door.demand(principal, Action.WRITE, device)
        if self._registry.allowed_device(device) is None:
            raise Forbidden("this device is disabled")
        return principal, device

    def _visible(self, principal: Principal | None, device: str) -> dict[str, Series]:
        """Return the slots of a thing that the principal may see; none, of one that it may not know
        of.
        """
        if principal is None:
            return {}
        try:
            self._door.demand(principal, Action.READ, device)
        except NotFound:
            return {}
        return self._slots(device)

    def _slots(self, device: str) -> dict[str, Series]:
        known = (
            (series.channel, series)
            for series in self._catalog.of_device(device)
            if series.latest is not None
        )
        return {
            channel: series
            for channel, series in known
            if channel in SLOTS and series.type == "telemetry"
        }


class _Unknown(GatewayError):
    """There is no such thing, which is no error in their words."""

    close_code = 1000


def _state(slots: dict[str, Series]) -> dict[str, str]:
    return {
        slot: shown(_decode(slots[slot].latest or b"")["value"] if slot in slots else 0)
        for slot in SLOTS
    }


def _newest(slots: dict[str, Series]) -> int:
    """Return the seq of the last value of any slot."""
    return max(int(_decode(series.latest or b"")["seq"]) for series in slots.values())


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=encode(value), content_type="application/json")
