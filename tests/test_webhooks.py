"""Webhooks: posts arrive signed, in order, and again where a server fails."""

from __future__ import annotations

import base64
import hashlib
import hmac

import aiohttp
import pytest
from aiohttp import web

from gateway.webhooks import (
    ATTEMPTS,
    PAUSE_LAST,
    WAITING,
    Webhook,
    Webhooks,
)
from tests.rig import START, Clock, until


class Server:
    """A server that answers as told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Keep a post."""
        self.got.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(
            status=status, headers={"location": "/elsewhere"} if status == 302 else {}
        )

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.got]


@pytest.fixture
async def server(aiohttp_server):
    """A running server; its URL is `url`."""
    made = Server()
    app = web.Application()
    app.router.add_post("/{tail:.*}", made.handle)
    made.url = str((await aiohttp_server(app)).make_url("/hook"))
    return made


@pytest.fixture
async def make(server):
    """Return what makes webhooks to the server, which pause without waiting."""
    made, pauses = [], []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with aiohttp.ClientSession() as session:

        def hook(secret=None, url=None) -> Webhook:
            made.append(
                Webhook(
                    "hot", url or server.url, secret, session=session, clock=Clock(), pause=pause
                ),
            )
            return made[-1]

        hook.pauses = pauses
        yield hook
        for webhook in made:
            await webhook.close()


async def test_a_signed_post(server, make):
    """The signature is that of Standard Webhooks over id, time and body."""
    make("0123456789abcdef").post(b'{"rule":"hot"}')
    await until(lambda: server.got)
    ((headers, body),) = server.got
    assert headers["content-type"] == "application/json"
    assert headers["webhook-timestamp"] == str(START // 1000)
    signed = f"{headers['webhook-id']}.{START // 1000}.".encode() + body
    digest = hmac.new(b"0123456789abcdef", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


async def test_a_failing_server_is_tried_again_in_order(server, make):
    """The same post with the same id, with a growing pause, before the next one."""
    server.answers = [500, 429, 204]
    hook = make()
    hook.post(b"1")
    hook.post(b"2")
    await until(lambda: len(server.got) == 4)
    assert server.bodies == [b"1", b"1", b"1", b"2"]
    assert len({headers["webhook-id"] for headers, _ in server.got}) == 2
    first, second = make.pauses
    assert 0.8 <= first <= 1.2
    assert 1.6 <= second <= 2.4
    assert "webhook-signature" not in server.got[0][0]


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_a_refusal_is_final(server, make, caplog, status):
    """What will be refused again is not sent again, and a redirection is not followed."""
    server.answers = [status]
    hook = make()
    hook.post(b"1")
    hook.post(b"2")
    await until(lambda: len(server.got) == 2)
    assert server.bodies == [b"1", b"2"]
    assert hook.dropped == 1
    assert f"1 is dropped: the server answers {status}" in caplog.text


async def test_a_dead_server_is_given_up(make, caplog, unused_tcp_port):
    """After the last attempt the post is dropped, and the pause has grown no further than its
    bound.
    """
    hook = make(url=f"http://127.0.0.1:{unused_tcp_port}/")
    hook.post(b"1")
    await until(lambda: hook.dropped)
    assert len(make.pauses) == ATTEMPTS - 1
    assert max(make.pauses) <= PAUSE_LAST * 1.2
    assert f", {ATTEMPTS} times" in caplog.text


async def test_what_is_no_url_is_given_up_at_once(make, caplog):
    """A mistake that no further attempt mends."""
    hook = make(url="http://ann:pass0815@[::/?token=0815")
    hook.post(b"1")
    await until(lambda: hook.dropped)
    assert make.pauses == []
    assert "1 is dropped: its URL cannot be used (InvalidUrl" in caplog.text
    assert "0815" not in caplog.text


async def test_a_server_that_is_not_there_shows_no_credentials(make, caplog):
    """Only its host is in the log."""
    caplog.set_level("INFO")
    hook = make(url="http://ann:pass0815@127.0.0.1:1/?token=0815")
    hook.post(b"1")
    await until(lambda: hook.dropped)
    assert "webhook hot" in caplog.text
    assert "0815" not in caplog.text


async def test_the_oldest_of_too_many_is_dropped(server, make, caplog):
    """What waits is bounded; the log says it once, and how many there were when one gets
    through.
    """
    hook = make()
    for number in range(WAITING + 3):
        hook.post(str(number).encode())
    await until(lambda: len(server.got) == WAITING)
    assert server.bodies == [str(number).encode() for number in range(3, WAITING + 3)]
    assert hook.dropped == 3
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.webhooks"]
    assert [line.partition(": ")[2] for line in lines] == [
        "0 is dropped: too many wait",
        "takes posts again; 3 were dropped",
    ]


async def test_close_drops_what_waits(server, make):
    """Nothing is posted after it."""
    hook = make()
    hook.post(b"1")
    await hook.close()
    assert hook.dropped == 1
    assert server.got == []


async def test_one_session_for_all(server):
    """Each webhook has a queue of its own, closing ends all."""
    hooks = Webhooks(clock=Clock())
    server.answers = [400]
    hooks.hook("a", server.url, None)(b"1")
    await until(lambda: hooks.dropped == 1)
    hooks.hook("b", server.url, "0123456789abcdef")(b"2")
    await until(lambda: len(server.got) == 2)
    await hooks.close()
    await Webhooks(clock=Clock()).close()
    assert server.bodies == [b"1", b"2"]
