"""Pages of other sites: CORS, and what a browser's cookie may do from elsewhere."""

import pytest

from gateway.bridges.http.application import application
from gateway.bridges.http.authentication import Authentication
from gateway.bridges.http.origins import Origins

API = "/api/v1"
APP = "https://my.app"


@pytest.fixture
def app(core, routes):
    """The application, which one origin may use."""
    authentication = Authentication(core.sign_in, core.registry)
    return application(routes, authentication, body_limit=4096, origins=Origins([APP + "/"]))


@pytest.fixture
async def ann(core):
    """The headers of ann's token."""
    return await core.bearer(await core.user())


async def test_a_page_of_the_origins_reads_answers(client, ann):
    """Whatever their status; caches are told that it depends on the origin."""
    for path, headers, status in (
        ("/devices", ann, 200),
        ("/devices", {}, 401),
        ("/nowhere", ann, 404),
    ):
        async with client.get(API + path, headers={**headers, "Origin": APP}) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == APP
            assert response.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert "Link" in response.headers["Access-Control-Expose-Headers"]


async def test_a_browser_asks_beforehand_what_may_be_sent(client):
    """Without a sign-in, as browsers do."""
    asks = {"Access-Control-Request-Method": "POST", "Origin": APP}
    async with client.options(f"{API}/devices/kitchen/telemetry", headers=asks) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == APP
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://my.app", "http://["])
async def test_other_pages_read_nothing(client, ann, origin):
    """No header for them, and no answer beforehand."""
    async with client.get(f"{API}/devices", headers={**ann, "Origin": origin}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    asks = {"Access-Control-Request-Method": "POST", "Origin": origin}
    async with client.options(f"{API}/devices", headers=asks) as response:
        assert response.status == 405


async def test_the_cookie_counts_from_the_gateway_s_own_pages_alone(core, client):
    """Also where the origin may use the API with a token."""
    cookie = await core.cookie(await core.user("eve@example.org"))
    own = f"http://{client.host}:{client.port}"
    for headers, status in (
        ({"Origin": own}, 201),
        ({"Sec-Fetch-Site": "same-origin", "Origin": own}, 201),
        ({}, 201),
        ({"Origin": APP}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        async with client.post(
            f"{API}/devices", data=b"{}", headers={**cookie, **headers}
        ) as response:
            assert response.status == status, headers
