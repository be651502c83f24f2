"""Every route and every listener of a running gateway, and what each answers to whom it is not
meant for.

The routes come from the application itself: one that has no line in the table below fails the test.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import aiohttp
import pytest
from mqtt_wire import Wire
from people import people

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from people import People

# What is refused to nobody (and to a revoked token, a disabled user, a disabled device), to another
# user with all scopes, and to the owner's read token; `-`: it is theirs to ask.
RULES = """
GET    /api/v1/devices                                401   -    -
POST   /api/v1/devices                                401   -  403
GET    /api/v1/devices/{id}                           401 404    -
PATCH  /api/v1/devices/{id}                           401 404  403
DELETE /api/v1/devices/{id}                           401 404  403
POST   /api/v1/devices/{id}/key                       401 404  403
POST   /api/v1/devices/{id}/approve                   401 404  403
GET    /api/v1/devices/{id}/about                     401 404    -
PATCH  /api/v1/devices/{id}/about                     401 404  403
DELETE /api/v1/devices/{id}/about                     401 404  403
GET    /api/v1/devices/{id}/latest                    401 404    -
POST   /api/v1/devices/{id}/telemetry                 401 404  403
POST   /api/v1/devices/{id}/telemetry/{channel}       401 404  403
POST   /api/v1/devices/{id}/commands/{name}           401 404  403
GET    /api/v1/commands/{id}                          401 404    -
DELETE /api/v1/commands/{id}                          401 404  403
GET    /api/v1/devices/{id}/commands                  401 404    -
GET    /api/v1/frames                                 401   -    -
GET    /api/v1/stream                                 401   -    -
GET    /api/v1/history                                401 404    -
GET    /api/v1/history/usage                          401 403  403
GET    /api/v1/series                                 401 404    -
GET    /api/v1/rejected                               401   -    -
GET    /api/v1/audit                                  401 403  403
GET    /api/v1/users                                  401 403  403
PATCH  /api/v1/users/{id}                             401 403  403
DELETE /api/v1/users/{id}                             401 403  403
POST   /api/v1/invitations                            401 403  403
GET    /api/v1/me                                     401   -    -
POST   /api/v1/me/password                            401   -  403
POST   /api/v1/logout                                 401   -  400
GET    /api/v1/tokens                                 401   -  403
POST   /api/v1/tokens                                 401   -  403
DELETE /api/v1/tokens/{id}                            401 404  403
GET    /things/post/{slug}                            401 404  403
GET    /things/read/{slug}                            401   -    -
GET    /listen/{slug}                                 401   -    -
GET    /metrics                                       401 403  403
GET    /metrics/values                                401   -    -
GET    /prometheus/api/v1/label/{name}/values         401   -    -
POST   /prometheus/api/v1/label/{name}/values         401   -    -
GET    /prometheus/api/v1/labels                      401   -    -
POST   /prometheus/api/v1/labels                      401   -    -
GET    /prometheus/api/v1/metadata                    401   -    -
POST   /prometheus/api/v1/metadata                    401   -    -
GET    /prometheus/api/v1/query                       401   -    -
POST   /prometheus/api/v1/query                       401   -    -
GET    /prometheus/api/v1/query_range                 401   -    -
POST   /prometheus/api/v1/query_range                 401   -    -
GET    /prometheus/api/v1/series                      401   -    -
POST   /prometheus/api/v1/series                      401   -    -
GET    /prometheus/api/v1/status/buildinfo            401   -    -
POST   /prometheus/api/v1/status/buildinfo            401   -    -
GET    /prometheus/api/v1/{rest}                      401   -    -
POST   /prometheus/api/v1/{rest}                      401   -    -
GET    /openapi.json                                  401   -    -
GET    /asyncapi.json                                 401   -    -
"""

# Open without sign-in, by the contract or because they are how one signs in; what they show to a
# stranger.
OPEN = """
GET    /healthz             200
GET    /readyz              200
POST   /api/v1/users        403
POST   /api/v1/login        400
POST   /api/v1/claim        401
POST   /write               401
POST   /api/v2/write        401
POST   /query               401
GET    /ping                204
GET    /health              200
GET    /api/v1/ws           400
GET    /mqtt                400
GET    /ws                  400
GET    /iot.io{rest}        400
POST   /api/iot.io          401
GET    /                    303
GET    /devices             303
GET    /tokens              303
GET    /devices/{id}        303
GET    /docs                303
GET    /rejected            303
GET    /users               303
GET    /audit               303
GET    /system              303
GET    /account             303
GET    /sign-in             200
GET    /sign-up             200
GET    /login               303
GET    /signup              303
GET    /mydevices           303
GET    /create              303
GET    /logout              303
GET    /static/{name}       404
"""

BODIES = {
    "POST /api/v1/users": {"email": "new@example.com", "password": "long enough"},
    "POST /api/v1/claim": {"claim_code": "a wrong code"},
    "POST /api/iot.io": {"clientId": "kitchen", "endpointId": "led", "data": 1},
}
LISTENERS = {"http", "mqtt"}  # by name, of a gateway without TLS


def _table(text: str) -> dict[str, list[str]]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return {f"{method} {path}": statuses for method, path, *statuses in lines}


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    """Everybody's house; failures are not slowed."""
    monkeypatch.setattr("gateway.access.throttle.LONGEST", 0.0)
    async with people(tmp_path) as everybody:
        yield everybody


def _routes(here: People) -> set[str]:
    """Return every method and path that the HTTP port serves; HEAD goes where GET goes."""
    app = here.home.gateway.web.site.app
    routes = [(route.method, route.resource.canonical) for route in app.router.routes()]
    assert {path for method, path in routes if method == "HEAD"} <= {
        path for method, path in routes if method == "GET"
    }
    return {f"{method} {path}" for method, path in routes if method != "HEAD"}


async def _status(here: People, route: str, principal: str, **names: str | int) -> int:
    method, path = route.split()
    path = re.sub(r"{(\w+)}", lambda found: str(names.get(found[1], "x")), path)
    query = {"device": "kitchen"} if path.endswith(("/history", "/series")) else {}
    body = {} if method == "GET" else {"json": BODIES.get(route, {})}
    headers = here.shown[principal].headers
    async with here.bare.request(
        method, here.home.url + path, params=query, headers=headers, allow_redirects=False, **body
    ) as answer:
        return answer.status


async def _names(here: People, route: str) -> dict[str, str | int]:
    """Return what stands in the path: something of ann's."""
    if "/commands/{id}" in route:
        async with here.home.http.post(
            f"{here.home.url}/api/v1/devices/kitchen/commands/led"
        ) as answer:
            return {"id": (await answer.json())["id"]}
    if "/users/" in route:
        return {"id": here.users["ann"]}
    return {"id": here.tokens["write"] if "/tokens/" in route else "kitchen", "slug": "kitchen"}


async def test_every_route_has_a_rule(here):
    """What the application serves is what the two tables list: a new route needs a line before it
    passes.
    """
    rules = {*_table(RULES), *_table(OPEN)}
    assert sorted(_routes(here) ^ rules) == []


async def test_every_route_refuses_the_wrong_principal(here):
    """Nobody, who was somebody once, another user and the owner's lesser token get what the table
    says.
    """
    wrong = []
    for route, (nobody, stranger, reader) in _table(RULES).items():
        names = await _names(here, route)
        expected = dict.fromkeys(
            ("nobody", "revoked", "expired", "disabled user", "shed", "signed out"), nobody
        )
        for principal, status in {**expected, "stranger": stranger, "read": reader}.items():
            if status != "-" and (found := await _status(here, route, principal, **names)) != int(
                status
            ):
                wrong.append(f"{route} for {principal}: {found}, not {status}")
    assert wrong == []


async def test_what_is_open_shows_nothing(here):
    """The open routes answer a stranger with a door, a state of health, or a refusal."""
    found = {route: [str(await _status(here, route, "nobody"))] for route in _table(OPEN)}
    assert found == _table(OPEN)


async def test_every_listener_refuses_strangers(here):
    """There are no ports but these, and MQTT on both of its ways lets nobody in without a right
    name and key.
    """
    ports = here.home.gateway.ports
    assert set(ports) == LISTENERS
    offers = [
        (None, None),
        ("kitchen", None),
        ("kitchen", "wrong"),
        ("token", "gwt_wrong"),
        ("claim", "any code"),
    ]
    for username, password in offers:
        for wire in (await Wire.tcp(ports["mqtt"]), await Wire.websocket(here.bare, here.home.url)):
            async with wire:
                assert await wire.sign_in(username, password, "client") == 0x86


@pytest.mark.parametrize("path", ["/ws?device=kitchen", "/listen/kitchen", "/iot.io/1/"])
@pytest.mark.parametrize("key", ["", "wrong", "gwt_wrong"])
async def test_the_sockets_of_the_small_protocols_refuse_strangers(here, path, key):
    """Who has no key, or a wrong one, is closed or turned away, and hears of no frame."""
    url = (
        f"{here.home.url}{path}{'&' if '?' in path else '?'}key={key}"
        if key
        else here.home.url + path
    )
    iotio = {"ProtocolVersion": "1", "Id": "kitchen", "Type": "x", "Data": f'{{"key":"{key}"}}'}
    headers = {f"IoT-IO-{name}": value for name, value in iotio.items()}
    try:
        socket = await here.bare.ws_connect(url, headers=headers)
    except aiohttp.WSServerHandshakeError as error:
        assert error.status == 401  # noqa: PT017
        return
    async with socket, asyncio.timeout(5):
        said = [str(message.data) async for message in socket]
        assert socket.close_code in {1008, 4401}
        assert not any("seq" in text for text in said)
    assert not here.home.gateway.core.presence.is_online("kitchen")


async def test_the_first_packet_must_be_a_sign_in(here):
    """A subscription before CONNECT ends the connection without an answer."""
    async with await Wire.tcp(here.home.gateway.ports["mqtt"]) as wire:
        await wire.send_bytes(b"\x82\x06\x00\x01\x00\x01#\x00")
        assert await wire.ended(within=5) is None
        assert wire.messages == []


async def test_a_websocket_hears_nothing_before_its_sign_in(here):
    """Who sends anything but a sign-in first is told so, and closed with 4401."""
    async with here.bare.ws_connect(f"{here.home.url}/api/v1/ws") as socket:
        assert (await socket.receive_json(timeout=5)).keys() == {"type", "epoch", "seq"}
        await socket.send_json({"type": "subscribe", "filter": "#"})
        assert (await socket.receive_json(timeout=5))["code"] == "unauthenticated"
        await socket.receive(timeout=5)
        assert socket.close_code == 4401
