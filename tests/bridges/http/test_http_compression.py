"""Bodies and answers that are compressed."""

import gzip
import io
import json

import pytest

from tests.bridges.conftest import basic
from tests.bridges.http.conftest import BODY_LIMIT

API = "/api/v1"
PLAIN = {"Accept-Encoding": "identity"}
GZIP = {"Accept-Encoding": "br;q=1.0, gzip;q=0.8, *;q=0.1"}


@pytest.fixture
async def reader(core):
    """The headers of who may read a kitchen with a few hundred frames."""
    ann = await core.user()
    await core.device("kitchen", ann)
    series = core.catalog.series("telemetry", "kitchen", "t")
    await core.intake.store([(series, core.clock(), str(number), "") for number in range(200)])
    return await core.bearer(ann, "read")


@pytest.fixture
async def client(app, aiohttp_client):
    """A client that leaves bytes as they come."""
    return await aiohttp_client(app, auto_decompress=False)


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/history?device=kitchen",
        f"{API}/history?device=kitchen&format=csv",
        f"{API}/history?device=kitchen&format=ndjson",
        f"{API}/frames",
    ],
)
async def test_a_large_answer_is_compressed_for_who_takes_it(client, reader, path):
    """The same bytes, fewer of them on the way; caches are told what it depends on."""
    plain = await client.get(path, headers={**reader, **PLAIN})
    packed = await client.get(path, headers={**reader, **GZIP})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    for response in (plain, packed):
        assert "Accept-Encoding" in ", ".join(response.headers.getall("Vary"))
        assert response.headers["Content-Type"] == plain.headers["Content-Type"]
    whole, short = await plain.read(), await packed.read()
    assert gzip.decompress(short) == whole
    assert len(short) < len(whole) / 3


@pytest.mark.parametrize("accepted", ["gzip;q=0", "gzip; q=0.000, br", "br", "xgzip", ""])
async def test_who_does_not_take_it_gets_it_plain(client, reader, accepted):
    """Also who says so with q=0."""
    response = await client.get(f"{API}/frames", headers={**reader, "Accept-Encoding": accepted})
    assert "Content-Encoding" not in response.headers
    assert json.loads(await response.read())["frames"]


async def test_a_small_answer_is_left_as_it_is(client, reader):
    """There is nothing to gain, and nothing to guess from its length."""
    response = await client.get(f"{API}/devices", headers={**reader, **GZIP})
    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


async def test_a_compressed_body_is_read_up_to_the_limit(core, client, reader):
    """Telemetry may come compressed; what grows above the limit is 413, a broken one 400."""
    key = await core.device("board", 1)
    headers = {**basic("board", key), "Content-Encoding": "gzip"}
    path = f"{API}/devices/board/telemetry"
    fits = gzip.compress(json.dumps({"t": 21.5, "note": "x" * (BODY_LIMIT - 100)}).encode())
    cases = [
        (fits, 200),
        (gzip.compress(b" " * (BODY_LIMIT + 1)), 413),
        (gzip.compress(b" " * (64 << 20)), 413),
        (b"this is no gzip", 400),
    ]
    for body, status in cases:
        response = await client.post(path, data=io.BytesIO(body), headers=headers)
        assert response.status == status
    assert len((await core.kept.history.after(0, 1_000, None, 1_000)).rows) == 203
