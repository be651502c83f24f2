"""Devices: list, make, change, remove, new keys; claiming and approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.access import devices, fields
from gateway.access.policy import Action
from gateway.bridges.edge.sender import PRINCIPAL
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, BODY, Route
from gateway.store.registry import Style  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from gateway.access.registry import Registry
    from gateway.bridges.http.authentication import Permission
    from gateway.catalog import Catalog
    from gateway.presence import Presence
    from gateway.store.registry import Device

Filters = Annotated[
    list[str], Meta(description="topic filters granted to the device beside its own topics")
]


_KEY_IS_KNOWN = "the former owner knows this device's key: make a new one by POST /devices/ID/key"


class NewDevice(msgspec.Struct):
    """A device to make; without an id it gets one. `style`: how long its id and key are; `key`: one
    that it has already.
    """

    id: str | None = None
    name: str = ""
    type: str = ""
    topics: Filters = []
    style: Style = "gateway"
    key: str | None = None


class DeviceChange(msgspec.Struct):
    """What to change; `owner` is for admins."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    topics: Filters | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    owner: int | UnsetType | None = UNSET


class DeviceAnswer(msgspec.Struct):
    """A device. `owner`: a user's id; `key`: only when it is new. `note`: what to do after a
    change.

    `connected`: it has a connection now; `online`: that, or it posted over HTTP a while ago;
    `last_seen`: ms since 1970, null: never; `last_value`: the latest frame of its readings, null:
    none yet; `about`: what it is; `parent`: the hub that speaks for it; `convention`: how it
    speaks, where that is not the gateway's own way.
    """

    id: str
    name: str
    type: str
    owner: int | None
    topics: tuple[str, ...]
    disabled: bool
    state: str
    created: int
    connected: bool
    online: bool
    last_seen: int | None
    last_value: dict[str, Any] | msgspec.Raw | None
    about: dict[str, Any]
    parent: str | None
    convention: str
    key: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class DeviceList(msgspec.Struct):
    """The devices that the asker sees, by id."""

    devices: list[DeviceAnswer]


class DeviceKey(msgspec.Struct):
    """A device's key, shown this once."""

    id: str
    key: str


class Devices:
    """Keeps devices."""

    def __init__(
        self,
        registry: Registry,
        permission: Permission,
        presence: Presence,
        catalog: Catalog,
    ) -> None:
        self._registry = registry
        self._permission = permission
        self._presence = presence
        self._catalog = catalog

    def routes(self) -> list[Route]:
        one = f"{API}/devices/{{id}}"
        # fmt: off
        return [
            Route(method="GET", path=f"{API}/devices", handler=self.list,
                summary="Devices that you see",
                  answer=DeviceList),
            Route(method="POST", path=f"{API}/devices", handler=self.create,
                summary="Make a device",
                  body=NewDevice, answer=DeviceAnswer, status=201),
            Route(method="GET", path=one, handler=self.get, summary="One device",
                answer=DeviceAnswer),
            Route(method="PATCH", path=one, handler=self.change,
                summary="Rename, retype, grant topics, disable",
                  body=DeviceChange, answer=DeviceAnswer),
            Route(method="DELETE", path=one, handler=self.remove,
                summary="Remove a device and hide what it sent",
                  status=204),
            Route(method="POST", path=f"{one}/key", handler=self.replace_key,
                  summary="A new key; the old one stops at once", answer=DeviceKey),
            Route(method="POST", path=f"{one}/approve", handler=self.approve,
                  summary="Take in a board that announced itself", answer=DeviceAnswer),
        ]
        # fmt: on

    async def list(self, request: web.Request) -> web.Response:
        view = self._permission.view(request)
        seen = [device for device in self._registry.devices.values() if view.sees(device.id)]
        return answers.json(
            DeviceList([self._answer(device) for device in sorted(seen, key=lambda d: d.id)])
        )

    async def get(self, request: web.Request) -> web.Response:
        return answers.json(
            self._answer(self._permission.device(request, Action.READ, request.match_info["id"]))
        )

    async def create(self, request: web.Request) -> web.Response:
        self._permission.demand(request, Action.CREATE_DEVICE)
        new = parameters.body(request[BODY], NewDevice)
        self._demand_grants(request, new.topics)
        self._registry.demand_room(request[PRINCIPAL].owner)
        issued = await self._registry.apply(
            devices.create,
            self._permission.by(request),
            id=new.id,
            name=new.name,
            type=new.type,
            owner=request[PRINCIPAL].owner,
            grants=new.topics,
            style=new.style,
            key=new.key,
        )
        where = {"Location": f"{API}/devices/{issued.record.id}"}
        return answers.json(self._answer(issued.record, issued.secret), 201, where)

    async def change(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.MANAGE, request.match_info["id"])
        asked = parameters.body(request[BODY], DeviceChange)
        if asked.owner is not UNSET:
            self._permission.demand(request, Action.ADMINISTER)
        if asked.topics is not UNSET:
            self._demand_grants(request, set(asked.topics) - set(device.grants))
        changed = await self._registry.apply(
            devices.change,
            self._permission.by(request),
            device.id,
            name=asked.name,
            type=asked.type,
            owner=asked.owner,
            grants=asked.topics,
            disabled=asked.disabled,
        )
        handed_over = device.owner not in {None, changed.owner}
        return answers.json(self._answer(changed, note=_KEY_IS_KNOWN if handed_over else UNSET))

    async def remove(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.MANAGE, request.match_info["id"])
        await self._registry.apply(devices.remove, self._permission.by(request), device.id)
        return answers.nothing()

    async def replace_key(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.MANAGE, request.match_info["id"])
        issued = await self._registry.apply(
            devices.replace_key, self._permission.by(request), device.id
        )
        return answers.json(DeviceKey(device.id, issued.secret))

    async def approve(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.APPROVE, request.match_info["id"])
        owner = request[PRINCIPAL].owner
        self._registry.demand_room(owner)
        return answers.json(
            self._answer(
                await self._registry.apply(
                    devices.approve, self._permission.by(request), device.id, owner
                )
            )
        )

    def _demand_grants(self, request: web.Request, topics: Iterable[str]) -> None:
        if fields.grants(topics):
            return  # what is no filter is refused with the other wrong fields, by name
        for topic_filter in topics:
            self._permission.demand(request, Action.GRANT, topic_filter)

    def _answer(
        self, device: Device, key: str | UnsetType = UNSET, *, note: str | UnsetType = UNSET
    ) -> DeviceAnswer:
        newest = self._catalog.newest_reading(device.id)
        return DeviceAnswer(
            id=device.id,
            name=device.name,
            type=device.type,
            owner=device.owner,
            topics=device.grants,
            disabled=device.disabled,
            state=device.state,
            created=device.created,
            connected=bool(self._presence.links(device.id)),
            online=self._presence.is_online(device.id),
            last_seen=self._presence.last_seen(device.id),
            last_value=None if newest is None else msgspec.Raw(newest),
            about=self._registry.about(device.id),
            parent=device.parent,
            convention=device.convention,
            key=key,
            note=note,
        )
