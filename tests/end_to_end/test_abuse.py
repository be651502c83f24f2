"""Abuse: guessing is slowed and locks nobody out, sizes are bounded, other sites are refused,
secrets stay secret.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from daemon_process import daemon
from mqtt_wire import Wire
from people import people

from gateway.access import accounts
from gateway.access.passwords import hash_password
from tests.end_to_end.conftest import house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from people import People

PASSWORD = "correct horse battery"
SLOWED = 0.4  # s; the fourth failure of an address waits for half a second


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[People]:
    """Everybody's house; ann has a password."""
    async with people(tmp_path, limits={"packet_size": "4KB"}) as everybody:
        await everybody.apply(
            accounts.set_password, everybody.users["ann"], hash_password(PASSWORD)
        )
        await everybody.cookie("cookie", "ann")  # the new password has signed her out
        yield everybody


async def _http(here: People) -> bool:
    async with here.bare.get(
        f"{here.home.url}/api/v1/me", headers={"Authorization": "Bearer gwt_wrong"}
    ) as answer:
        return answer.status == 401


async def _mqtt(here: People) -> bool:
    async with await Wire.tcp(here.home.gateway.ports["mqtt"]) as wire:
        return await wire.sign_in("kitchen", "wrong") == 0x86


async def _mqtt_over_websocket(here: People) -> bool:
    async with await Wire.websocket(here.bare, here.home.url) as wire:
        return await wire.sign_in("kitchen", "wrong") == 0x86


async def _websocket(here: People) -> bool:
    async with here.bare.ws_connect(f"{here.home.url}/api/v1/ws") as socket:
        await socket.receive_json(timeout=5)
        await socket.send_json({"type": "auth", "token": "gwt_wrong"})
        return (await socket.receive_json(timeout=12))["code"] == "unauthenticated"


async def _stream(here: People) -> bool:
    headers = {"Authorization": "Basic a2l0Y2hlbjp3cm9uZw=="}
    async with here.bare.get(f"{here.home.url}/api/v1/stream", headers=headers) as answer:
        return answer.status == 401


@pytest.mark.parametrize("guess", [_http, _mqtt, _mqtt_over_websocket, _websocket, _stream])
async def test_guessing_is_slowed_on_every_entrance(here, guess):
    """Failures on one entrance slow all of them, and a right key signs in at once meanwhile."""
    for _ in range(3):
        async with here.bare.get(
            f"{here.home.url}/api/v1/me", headers={"Authorization": "Bearer gwt_x"}
        ) as answer:
            assert answer.status == 401
    start = time.monotonic()
    guessing = asyncio.create_task(guess(here))
    await asyncio.sleep(0.05)
    async with await Wire.tcp(here.home.gateway.ports["mqtt"]) as wire:
        assert await wire.sign_in("kitchen", here.home.keys["kitchen"]) == 0
    assert not guessing.done()
    assert await guessing
    assert time.monotonic() - start > SLOWED


async def test_a_password_is_slowed_and_the_account_is_not_locked(here):
    """Of many tries at once a few are looked at; the others have to wait (429). The user's tokens
    work as ever.
    """
    tried = await asyncio.gather(
        *(_login(here, "ann@example.com", "a wrong one") for _ in range(6))
    )
    assert sorted(status for status, _ in tried) == [401] * 4 + [429] * 2
    assert all(int(retry_after) >= 1 for status, retry_after in tried if status == 429)
    async with here.bare.get(
        f"{here.home.url}/api/v1/me", headers=here.shown["full"].headers
    ) as answer:
        assert answer.status == 200


async def test_an_unknown_name_is_answered_as_a_wrong_password(here):
    """Status and words are the same, so that nobody learns who has an account."""
    answers = []
    for email in ("ann@example.com", "nobody@example.com"):
        body = {"email": email, "password": "a wrong one"}
        async with here.bare.post(f"{here.home.url}/api/v1/login", json=body) as answer:
            answers.append((answer.status, await answer.json()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def _login(here: People, email: str, password: str, **headers: str) -> tuple[int, str]:
    body = {"email": email, "password": password}
    async with here.bare.post(
        f"{here.home.url}/api/v1/login", json=body, headers=headers
    ) as answer:
        return answer.status, answer.headers.get("Retry-After", "0")


async def test_sizes_are_bounded_on_every_entrance(here):
    """What is above the limit is refused by each protocol in its words, and costs the others
    nothing.
    """
    big = b"9" * 5_000
    url = f"{here.home.url}/api/v1/devices/kitchen/telemetry/x"
    async with here.bare.post(url, data=big, headers=here.shown["kitchen"].headers) as answer:
        assert answer.status == 413
    for wire in (
        await Wire.tcp(here.home.gateway.ports["mqtt"]),
        await Wire.websocket(here.bare, here.home.url),
    ):
        async with wire:
            assert await wire.sign_in("kitchen", here.home.keys["kitchen"]) == 0
            await wire.send_bytes(b"\x30\x8a\x27" + b"9" * 5_002)
            assert await wire.ended() in {
                0x95,
                None,
            }  # over WebSocket the message is refused before the packet
    async with here.bare.ws_connect(
        f"{here.home.url}/api/v1/ws", headers=here.shown["read"].headers
    ) as socket:
        await socket.receive_json(timeout=5)
        await socket.send_bytes(big)
        assert (await socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
        assert socket.close_code == 1009


FOREIGN = {"Origin": "https://elsewhere.example"}


async def test_other_sites_pages_are_refused(here):
    """What a browser sends along by itself does not count where a page of another site makes it
    send.
    """
    cookie, url = here.shown["cookie"].headers, here.home.url
    for method, path in (
        ("POST", "/devices"),
        ("POST", "/logout"),
        ("DELETE", "/devices/lamp"),
        ("POST", "/tokens"),
    ):
        async with here.bare.request(
            method, f"{url}/api/v1{path}", headers={**cookie, **FOREIGN}, json={}
        ) as answer:
            assert answer.status == 403, path
    assert (await _login(here, "ann@example.com", PASSWORD, **FOREIGN))[0] == 403
    for path, more in (("/api/v1/ws", {}), ("/mqtt", {"protocols": ("mqtt",)})):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await here.bare.ws_connect(url + path, headers={**cookie, **FOREIGN}, **more)
    async with here.bare.ws_connect(
        f"{url}/api/v1/ws", headers={**cookie, "Origin": url}
    ) as socket:
        assert (await socket.receive_json(timeout=5))["type"] == "hello"


async def test_pages_of_the_origins_use_mqtt_with_a_token(tmp_path):
    """And no other site's page; the gateway's own may anyway."""
    async with house(tmp_path, http={"origins": ["https://my.app"]}) as home:
        for origin, status in (
            ("https://my.app", 101),
            (home.url, 101),
            ("http://my.app", 403),
            ("https://evil.example", 403),
        ):
            headers, mqtt = {"Origin": origin}, f"{home.url}/mqtt"
            try:
                async with home.http.ws_connect(mqtt, headers=headers, protocols=("mqtt",)):
                    told = 101
            except aiohttp.WSServerHandshakeError as error:
                told = error.status
            assert told == status, origin


async def test_a_link_on_another_sites_page_writes_nothing(here):
    """Without TLS a browser that follows a link shows its cookie and says nothing of where it comes
    from.
    """
    url, cookie = f"{here.home.url}/things/post/kitchen?s0=1", here.shown["cookie"].headers
    async with here.bare.get(url, headers=cookie) as answer:
        assert answer.status == 403
    async with here.bare.get(
        url, headers={**cookie, "Sec-Fetch-Site": "none"}
    ) as answer:  # a person has typed it
        assert answer.status == 200


async def _filled(here: People, stack: AsyncExitStack, count: int) -> None:
    """Hold so many MQTT connections, and no other."""
    await here.bare.close()
    await here.home.http.close()
    for number in range(count):
        wire = await stack.enter_async_context(await Wire.tcp(here.home.gateway.ports["mqtt"]))
        assert await wire.sign_in("token", here.home.token, f"c{number}") == 0


async def test_probes_and_admins_get_in_when_all_places_are_taken(tmp_path):
    """`limits.connections` counts who has signed in on all entrances together; one place in a
    hundred more is for admins, and strangers have places of their own.
    """
    async with people(tmp_path, limits={"connections": 100}) as here, AsyncExitStack() as stack:
        await _filled(here, stack, 100)
        me = f"{here.home.url}/api/v1/me"
        sessions = [
            await stack.enter_async_context(aiohttp.ClientSession(headers=here.shown[name].headers))
            for name in ("read", "admin", "admin")
        ]
        said = []
        for session in sessions:
            async with session.get(me) as answer:
                said.append(answer.status)
        assert said == [503, 200, 503]
        assert [await _status(session, here.home.url) for session in sessions] == [200] * 3


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(f"{url}/healthz") as answer:
        return answer.status


async def test_no_secret_is_logged_or_shown(tmp_path):
    """At level debug: no key, token, password, cookie or link in the log, the audit, the metrics,
    an error, `ps`.
    """
    async with daemon(
        tmp_path, '[log]\nlevel = "debug"\n[access]\nclaim_code = "secret claim code"\n'
    ) as gateway:
        key = await gateway.add("kitchen")
        said: list[str] = []
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            secrets = {"key": key, "token": gateway.token, "claim code": "secret claim code"}
            secrets |= await _use_everything(gateway, session, key, said)
            async with session.get(f"{gateway.url}/metrics", headers=gateway.headers) as answer:
                said.append(await answer.text())
            async with session.get(
                f"{gateway.url}/api/v1/audit?limit=1000", headers=gateway.headers
            ) as answer:
                said.append(await answer.text())
        said.append(Path(f"/proc/{gateway.pid}/cmdline").read_text())
        await gateway.stop()
        said.append(gateway.log.read_text())
        found = {name for name, secret in secrets.items() for text in said if secret in text}
        assert found == set()
        assert "sign in failed" in "".join(said)  # it looked where secrets would be


async def _use_everything(
    gateway, session: aiohttp.ClientSession, key: str, said: list[str]
) -> dict[str, str]:
    """Sign in rightly and wrongly in every way; return the secrets that were used. `said` gets the
    errors' bodies.
    """
    secrets = {"password": PASSWORD, "wrong key": "wrong-key-0001", "wrong token": "gwt_wrong0002"}
    secrets["wrong password"] = "wrong-password-0003"
    url = f"{gateway.url}/api/v1"

    async def ask(method: str, path: str, **more) -> aiohttp.ClientResponse:
        async with session.request(
            method, path if path.startswith("http") else url + path, **more
        ) as answer:
            if answer.status >= 400:
                said.append(await answer.text())
            await answer.read()
            return answer

    made = await ask(
        "POST", "/invitations", headers=gateway.headers, json={"email": "ann@example.com"}
    )
    secrets["invitation"] = invitation = (await made.json())["invitation"]
    ann = {"email": "ann@example.com", "password": PASSWORD}
    await ask("POST", "/users", json={**ann, "invitation": invitation})
    await ask("GET", f"{gateway.url}/sign-in", params={"link": invitation})
    await ask("POST", "/login", json={**ann, "password": secrets["wrong password"]})
    signed_in = await ask("POST", "/login", json=ann)
    secrets["cookie"] = signed_in.cookies["gateway_session"].value
    token = await ask("POST", "/tokens", json={"scope": "read"}, headers={"Origin": gateway.url})
    secrets["new token"] = (await token.json())["token"]
    for header in (
        f"Bearer {secrets['wrong token']}",
        f"Bearer {secrets['new token']}",
        "Basic nonsense",
    ):
        await ask("GET", "/me", headers={"Authorization": header})
    for shown in (key, secrets["wrong key"]):
        await ask("GET", f"{gateway.url}/things/read/kitchen", params={"key": shown})
        for version in (4, 5):
            async with await Wire.tcp(gateway.ports["mqtt"], version=version) as wire:
                await wire.sign_in("kitchen", shown)
    await ask("POST", "/claim", json={"claim_code": "secret claim code", "nmae": 1})
    claimed = await ask("POST", "/claim", json={"claim_code": "secret claim code"})
    secrets["claimed key"] = (await claimed.json())["key"]
    return secrets
