"""The client's address behind a reverse proxy, and how much of the header is believed."""

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.throttle import network
from gateway.bridges.http.places import Places
from gateway.bridges.http.porch import Porch
from gateway.bridges.http.proxies import Proxies
from gateway.seats import Seats


@pytest.fixture
async def asked(aiohttp_client):
    """Ask, behind proxies at these addresses, with these values of the header; return who asked."""

    async def ask(proxies, *forwarded):
        async def who(request):
            return web.Response(text=request.remote)

        app = web.Application(middlewares=[Proxies(proxies).told])
        app.router.add_get("/", who)
        client = await aiohttp_client(app)
        headers = [("X-Forwarded-For", each) for each in forwarded]
        return await (await client.get("/", headers=headers)).text()

    return ask


@pytest.mark.parametrize("proxies", [["127.0.0.1"], ["127.0.0.0/8", "::1"]])
async def test_the_last_hop_is_believed(asked, proxies):
    """What stands before it was written by the client."""
    assert await asked(proxies, "1.2.3.4, 10.0.0.7") == "10.0.0.7"
    assert await asked(proxies, "1.2.3.4", "10.0.0.8") == "10.0.0.8"
    assert await asked(proxies, "2001:db8::1") == "2001:db8::1"


@pytest.mark.parametrize("proxies", [[], ["10.0.0.1"]])
async def test_nobody_else_is_believed(asked, proxies):
    """Without a setting, nobody."""
    assert await asked(proxies, "10.0.0.7") == "127.0.0.1"


@pytest.mark.parametrize("said", ["", "unknown", "10.0.0.7:80", "10.0.0.7,", "_hidden", "\xff"])
async def test_what_is_no_address(asked, said):
    """The proxy itself asks."""
    assert await asked(["127.0.0.1"], said) == "127.0.0.1"


@given(st.text())
def test_any_text_for_an_address(text):
    """It is in no network, or it is an address."""
    assert text not in Proxies()
    if text in Proxies(["0.0.0.0/0", "::/0"]):
        assert network(text)


class _Visitor:
    def __init__(self, of_proxy):
        self.inner = asyncio.Protocol()
        self.network = "127.0.0.1"
        self.of_proxy = of_proxy
        self.ended = False

    def close(self):
        self.ended = True


@pytest.mark.parametrize("of_proxy", [True, False])
def test_connections_of_a_proxy_are_not_those_of_one_address(of_proxy):
    """They stand for as many people; of any other address there are so many."""
    porch = Porch(Places(Seats(100), 100), strangers=10, of_address=3)
    visitors = [_Visitor(of_proxy) for _ in range(5)]
    for visitor in visitors:
        porch.enter(visitor)
    assert sum(visitor.ended for visitor in visitors) == (0 if of_proxy else 2)
