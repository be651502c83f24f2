"""What holds for every route: sign-in, problems, headers."""

import asyncio
import logging

import pytest

from gateway.bridges.http.application import application
from gateway.bridges.http.authentication import Authentication
from gateway.bridges.http.routes import Route
from gateway.store.keeping import Keeping

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/api/v1/users"),
    ("POST", "/api/v1/login"),
    ("POST", "/api/v1/claim"),
    ("GET", "/api/v1/ws"),
    ("GET", "/mqtt"),
}
"""What needs no sign-in at the door: health, signing in itself, and what signs in with its first
message.
"""


def some_path(route):
    """Return the path of a route with something in each place."""
    return (
        route.template.replace("{id}", "kitchen").replace("{channel}", "a").replace("{name}", "led")
    )


async def test_every_route_but_the_open_ones_refuses_who_is_not_signed_in(core, client, routes):
    """401 with a challenge, as a problem, for nobody, a wrong token, a wrong cookie and a wrong
    key.
    """
    from tests.bridges.conftest import basic

    await core.device("kitchen", await core.user())
    nobody = [
        {},
        {"Authorization": "Bearer gwt_wrong"},
        {"Cookie": "gateway_session=wrong"},
        {"Authorization": "Negotiate abc"},
        basic("kitchen", "wrong"),
    ]
    core.sign_in._throttle.failed = lambda *_, **__: 0.0  # answers are held back elsewhere
    assert {(route.method, route.path) for route in routes if route.open} == OPEN
    for route in routes:
        for headers in [] if route.open else nobody:
            async with client.request(route.method, some_path(route), headers=headers) as response:
                assert response.status == 401, route
                assert response.content_type == "application/problem+json"
                assert "Bearer" in response.headers["WWW-Authenticate"]


async def test_a_page_s_script_is_not_answered_with_a_dialog(client):
    """Browsers open one for Basic, also for what a script fetches."""
    async with client.get("/api/v1/me", headers={"Sec-Fetch-Mode": "cors"}) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (
            401,
            'Bearer realm="gateway"',
        )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", "/api/v1/login", 405, "method_not_allowed")],
)
async def test_what_is_not_there_is_a_problem_too(client, method, path, status, code):
    """404 and 405 of the router; 405 says what is allowed."""
    async with client.request(method, path) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, said["status"], said["code"]) == (status, status, code)
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/v1/me"])
async def test_every_answer_has_its_security_headers(client, path):
    """Whatever its status."""
    async with client.get(path) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Server"] == "gateway"
        assert "Strict-Transport-Security" not in response.headers


async def test_under_tls_a_browser_is_told_to_stay_there(core, aiohttp_client, routes):
    """Strict-Transport-Security."""
    client = await aiohttp_client(
        application(routes, Authentication(core.sign_in, core.registry), body_limit=10, tls=True)
    )
    async with client.get("/healthz") as response:
        assert "max-age" in response.headers["Strict-Transport-Security"]


async def test_a_bug_is_a_500_that_tells_the_log_and_not_the_client(core, aiohttp_client, caplog):
    """The log has the path, without the query."""

    async def broken(request):
        raise RuntimeError("the secret plan")

    route = Route(method="GET", path="/broken", handler=broken, summary="", open=True)
    client = await aiohttp_client(
        application([route], Authentication(core.sign_in, core.registry), body_limit=10)
    )
    with caplog.at_level(logging.ERROR):
        async with client.get("/broken?token=abc") as response:
            text = await response.text()
    assert (response.status, response.content_type) == (500, "application/problem+json")
    assert "secret plan" not in text
    assert "secret plan" in caplog.text
    assert "abc" not in caplog.text


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/me HTTP/1.1\r\nAuthorization: Bearer gwt_\xff",
        b"GET /api/v1/me HTTP/1.1\r\nCookie: gateway_session=\xff",
        b"GET /api/v1/me HTTP/1.1\r\nX-Other: \xed\xa0\x80",
        b"GET /api/v1/ws HTTP/1.1\r\nOrigin: \xff",
    ],
)
async def test_bytes_that_are_not_utf_8_are_refused_at_the_door(client, head):
    """In the path as in any header, so that no text with a surrogate reaches what stores it."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    said = await reader.read()
    assert said.startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()


async def test_health_and_readiness(core, client):
    """Alive whatever happens; ready unless there is a reason."""
    assert await (await client.get("/healthz")).json() == {"status": "ok", "reasons": []}
    assert (await client.get("/readyz")).status == 200
    core.intake.refusal = "disk is full"
    async with client.get("/readyz") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert (await response.json())["reasons"] == ["storing fails: disk is full"]
    core.intake.refusal = None


async def test_a_database_that_was_moved_is_a_reason(core, client):
    """Not ready while the file is not in its place, and the answer says so (F8)."""
    upkeep = core.kept.upkeep(Keeping(), clock=core.clock)
    await upkeep.step()
    assert (await client.get("/readyz")).status == 200
    file = core.kept._database.path
    aside = file.rename(file.with_name("aside.db"))
    await upkeep.step()
    async with client.get("/readyz") as response:
        assert response.status == 503
        (reason,) = (await response.json())["reasons"]
    assert f"{file} was moved, deleted or replaced" in reason
    aside.rename(file)
    await upkeep.step()
    assert (await client.get("/readyz")).status == 200


async def test_metrics_are_for_who_sees_everything(core, client):
    """An admin's token of any scope; in Prometheus' text format."""
    ann = await core.bearer(await core.user())
    root = await core.user("root@example.org", role="admin")
    await core.device("kitchen", root)
    await core.store("kitchen", "t", "1")
    assert (await client.get("/metrics", headers=ann)).status == 403
    limited = await core.bearer(root, "read", devices=["kitchen"])
    assert (await client.get("/metrics", headers=limited)).status == 403
    async with client.get("/metrics", headers=await core.bearer(root, "read")) as response:
        assert response.content_type == "text/plain"
        lines = (await response.text()).splitlines()
    assert {
        "gateway_frames_stored_total 1.0",
        "gateway_devices 1.0",
        "gateway_storage_refused 0.0",
    } <= set(lines)
    assert {"gateway_broker_connections 2.0", "gateway_broker_messages_received_total 7.0"} <= set(
        lines
    )
