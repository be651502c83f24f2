"""Prometheus' HTTP API on a real socket, over real history."""

from __future__ import annotations

import aiohttp
import pytest

from gateway.access import devices, tokens
from gateway.bridges.prometheus import samples
from gateway.clock import now_ms
from tests.bridges.conftest import basic
from tests.end_to_end.conftest import BY, house

START = 1_763_673_300_000
S = START // 1000


@pytest.fixture
async def home(tmp_path):
    """A gateway with two devices that have sent for ten minutes, every ten seconds."""
    async with house(tmp_path) as here:
        for device in ("kitchen", "hall"):
            await here.add(device)
            body = [
                {
                    "ts": START + 10_000 * n,
                    "values": {"temperature": n / 2, "open": n % 2 == 0, "note": "x"},
                }
                for n in range(60)
            ]
            url = f"{here.url}/api/v1/devices/{device}/telemetry"
            async with here.http.post(url, json=body) as response:
                assert response.status == 200
        yield here


async def ask(home, path, *, status=200, method="GET", session=None, **given):
    """Ask, and return the data, or the error where another status is expected."""
    url, pairs = (
        f"{home.url}/prometheus/api/v1{path}",
        {name.replace("match", "match[]"): value for name, value in given.items()},
    )
    how = {"params": pairs} if method == "GET" else {"data": pairs}
    async with (session or home.http).request(method, url, **how) as response:
        said = await response.json()
        assert (response.status, said["status"]) == (
            status,
            "success" if status == 200 else "error",
        ), said
        return said["data"] if status == 200 else said


def temperature(device="kitchen"):
    """The labels of a temperature."""
    return {"__name__": "value", "channel": "temperature", "device": device}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_query(home, method):
    """A number, and the newest values as of a time; by GET and by form."""
    assert await ask(home, "/query", method=method, query="1+1", time="5") == {
        "resultType": "scalar",
        "result": [5, "2"],
    }
    found = await ask(
        home, "/query", method=method, query='value{channel="temperature"}', time=f"{S + 595}"
    )
    assert found == {
        "resultType": "vector",
        "result": [
            {"metric": temperature("hall"), "value": [S + 595, "29.5"]},
            {"metric": temperature(), "value": [S + 595, "29.5"]},
        ],
    }


async def test_query_range(home):
    """A point for each step, truths as numbers, texts left out."""
    query = {"start": f"{S}", "end": "2025-11-20T21:16:00.000Z", "step": "30s"}
    found = await ask(home, "/query_range", query='value{device="kitchen"}', **query)
    assert found["resultType"] == "matrix"
    assert [row["metric"]["channel"] for row in found["result"]] == ["open", "temperature"]
    assert found["result"][1] == {
        "metric": temperature(),
        "values": [[S, "0"], [S + 30, "1.5"], [S + 60, "3"]],
    }
    assert [value for _, value in found["result"][0]["values"]] == ["1", "0", "1"]
    number = await ask(home, "/query_range", query="2", start="1", end="2.5", step="0.5")
    assert number["result"] == [
        {"metric": {}, "values": [[1, "2"], [1.5, "2"], [2, "2"], [2.5, "2"]]}
    ]


async def test_a_long_step_reads_only_what_it_needs(home, monkeypatch):
    """Steps that are longer than the range read windows, not all that lies between."""
    monkeypatch.setattr(samples, "MAX_VALUES", 10)
    query = 'value{device="kitchen",channel="temperature"}'
    found = await ask(
        home, "/query_range", query=query, start=f"{S}", end=f"{S + 2100}", step="301"
    )
    assert found["result"][0]["values"] == [[S, "0"], [S + 301, "15"], [S + 602, "29.5"]]
    query = 'count_over_time(value{device="kitchen",channel="temperature"}[10s])'
    found = await ask(home, "/query_range", query=query, start=f"{S}", end=f"{S + 600}", step="200")
    assert [value for _, value in found["result"][0]["values"]] == ["1", "2", "2", "1"]
    said = await ask(
        home, "/query", status=422, query="avg_over_time(value[1h])", time=f"{S + 600}"
    )
    assert said["errorType"] == "execution"


async def test_a_value_that_was_sent_again_counts_once(home):
    """Equal in device, channel, time and value; another value at that time counts."""
    url = f"{home.url}/api/v1/devices/hall/telemetry"
    for value in (1, 1, 2):
        async with home.http.post(url, json={"ts": START, "values": {"twice": value}}):
            pass
    found = await ask(
        home, "/query", query='count_over_time(value{channel="twice"}[1m])', time=f"{S}"
    )
    assert found["result"][0]["value"] == [S, "2"]


async def test_long_texts_between_numbers(home, monkeypatch):
    """Pages that end early for their size, and texts that are newer than the number."""
    monkeypatch.setattr(samples, "PAGE", 10)
    url = f"{home.url}/api/v1/devices/hall/telemetry/mixed"
    for value in ("1", *("x" * 200_000 for _ in range(12)), "2", "y"):
        async with home.http.post(url, data=value) as response:
            assert response.status == 200
    for query, value in (("value", "2"), ("count_over_time(value[1m])", "2")):
        text = query.replace("value", 'value{channel="mixed"}')
        now = now_ms() // 1000 + 1
        found = await ask(home, "/query_range", query=text, start=f"{now}", end=f"{now}", step="1h")
        assert found["result"][0]["values"] == [[now, value]]
        long = await ask(
            home, "/query_range", query=text, start=f"{now}", end=f"{now + 3600}", step="1h"
        )
        assert long["result"] == found["result"]


async def test_aggregates_and_patterns(home):
    """What a panel of several devices asks for."""
    query = 'sum by (channel) (value{device=~"kit.*|hall",channel!~"open|note"}) * 2'
    found = await ask(home, "/query", query=query, time=f"{S + 20}")
    assert found["result"] == [{"metric": {"channel": "temperature"}, "value": [S + 20, "4"]}]
    assert (await ask(home, "/query", query="up", time=f"{S}"))["result"] == []


async def test_names_and_their_values(home):
    """What Grafana's query builder offers."""
    assert await ask(home, "/labels") == ["__name__", "channel", "device"]
    assert await ask(home, "/label/device/values") == ["hall", "kitchen"]
    assert await ask(home, "/label/__name__/values") == ["value"]
    assert await ask(home, "/label/none/values") == []
    only = 'value{device="kitchen"}'
    assert await ask(home, "/label/device/values", match=only) == ["kitchen"]
    found = await ask(home, "/series", method="POST", match='{channel="temperature"}')
    assert found == [temperature("hall"), temperature()]
    assert list(await ask(home, "/metadata")) == ["value"]
    assert (await ask(home, "/status/buildinfo"))["version"]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/query", {}),
        ("/query", {"query": "rate(value[5m])"}),
        ("/query", {"query": "(" * 10_000}),
        ("/query", {"query": 'value{device=~"("}'}),
        ("/query", {"query": "1", "time": "noon"}),
        ("/query", {"query": "1", "time": "-5"}),
        ("/query", {"query": "1", "time": "1e999"}),
        ("/query_range", {"query": "1", "start": "0", "end": "11000", "step": "1"}),
        ("/query_range", {"query": "1", "start": "0", "end": "253402300799", "step": "1"}),
        ("/query_range", {"query": "1", "start": "1", "end": "0", "step": "1"}),
        ("/query_range", {"query": "1", "start": "0", "end": "1", "step": "0"}),
        ("/query_range", {"query": "1", "start": "0", "end": "1", "step": "nan"}),
        ("/query_range", {"query": "1", "start": "0", "end": "1", "step": "soon"}),
        ("/series", {}),
        ("/series", {"match": "1"}),
        ("/query_exemplars", {}),
    ],
)
async def test_what_is_wrong_is_told_as_prometheus_tells_it(home, path, given):
    """400, `bad_data`, and words."""
    said = await ask(home, path, status=400, method="POST", **given)
    assert said["errorType"] == "bad_data"
    assert said["error"]


async def test_everybody_sees_their_own(home):
    """A token that is limited, a device, nobody; Grafana signs in by Basic or Bearer."""
    made = await home.gateway.access.registry.apply(
        tokens.create, BY, user=1, scope="read", devices=["hall"]
    )
    cases = [
        ({"Authorization": f"Bearer {made.secret}"}, ["hall"]),
        (basic("token", made.secret), ["hall"]),
        (basic("kitchen", home.keys["kitchen"]), ["kitchen"]),
    ]
    for headers, sees in cases:
        async with aiohttp.ClientSession(headers=headers) as session:
            assert await ask(home, "/label/device/values", session=session) == sees
            found = await ask(
                home, "/query", session=session, query='value{channel="open"}', time=f"{S}"
            )
            assert [row["metric"]["device"] for row in found["result"]] == sees
    async with aiohttp.ClientSession() as session:
        said = await ask(home, "/labels", status=401, session=session)
        assert said["errorType"] == "unauthorized"


async def test_a_removed_device_is_gone(home):
    """With all its names."""
    await home.gateway.access.registry.apply(devices.remove, BY, "hall")
    assert await ask(home, "/label/device/values") == ["kitchen"]
