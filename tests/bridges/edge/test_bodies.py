"""Bodies of requests, over real sockets."""

import gzip

import pytest
from aiohttp import web

from gateway.access.principal import Principal
from gateway.bridges.edge import bodies
from gateway.bridges.edge.sender import signed_in
from gateway.errors import GatewayError

LIMIT = 64 << 10


@pytest.fixture
async def client(aiohttp_client):
    """A client of two routes that tell how much they have read: one for anybody, one signed in."""

    async def read(request):
        if request.path == "/known":
            signed_in(request, Principal(key="user:1", name="ann", scope="read"))
        try:
            return web.Response(text=str(len(await bodies.read(request))))
        except GatewayError as error:
            return web.Response(status=error.status, text=str(error))

    app = web.Application(client_max_size=LIMIT)
    app.add_routes([web.post("/known", read), web.post("/anybody", read)])
    return await aiohttp_client(app)


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/anybody", bodies.STRANGER, 200),
        ("/anybody", bodies.STRANGER + 1, 413),
        ("/known", LIMIT, 200),
        ("/known", LIMIT + 1, 413),
    ],
)
async def test_a_stranger_sends_less(client, path, size, status):
    """8 KB; who has signed in, what the limit says."""
    async with client.post(path, data=b"x" * size) as response:
        assert response.status == status
        if status == 200:
            assert await response.text() == str(size)


async def test_the_bound_is_that_of_what_it_is_unpacked(client):
    """A small body may hold a large one."""
    packed = gzip.compress(bytes(10 << 20))
    async with client.post("/anybody", data=packed, headers={"Content-Encoding": "gzip"}) as said:
        assert said.status == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_what_is_not_encoded_as_it_says_is_refused(client, encoding):
    """400, and no exception that nobody expects."""
    headers = {"Content-Encoding": encoding}
    async with client.post("/known", data=b"\x01\x02 nonsense", headers=headers) as response:
        assert response.status == 400
