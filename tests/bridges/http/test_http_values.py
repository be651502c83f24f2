"""The latest values for a scraper."""

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.bridges.http.values import Latest, exposition
from gateway.frames import Series
from tests.bridges.conftest import basic


def parsed(text):
    """Read the text format; return {metric: {(device, channel): value}}."""
    return {
        family.name: {
            (sample.labels["device"], sample.labels["channel"]): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(text)
    }


async def test_the_latest_number_of_every_channel(core, client):
    """Numbers, true and false; not texts, objects, null or presence; with the time of each."""
    ann = await core.user()
    await core.device("kitchen", ann)
    for channel, value in [
        ("t", "20"), ("t", "21.5"), ("on", "true"), ("big", "12345678901234567890"), ("e", "1e300"),
        ("huge", "1" + "0" * 400),
        ("note", '"5"'), ("list", "[1]"), ("object", '{"a":1}'), ("nothing", "null"),
    ]:  # fmt: skip
        await core.store("kitchen", channel, value, ts=1_500)
    await core.store("kitchen", "status", '"online"', type_="presence")
    response = await client.get("/metrics/values", headers=await core.bearer(ann, "read"))
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = parsed(await response.text())
    expected = {"t": 21.5, "on": 1, "big": 12345678901234567890.0, "e": 1e300, "huge": math.inf}
    assert found["value"] == {("kitchen", name): value for name, value in expected.items()}
    assert found["value_time_seconds"] == {("kitchen", name): 1.5 for name in expected}


async def test_everybody_sees_their_own(core, client):
    """A token its user's devices, a device itself, nobody nothing."""
    ann, bob = await core.user(), await core.user("bob@example.org")
    key = await core.device("kitchen", ann)
    await core.device("hall", ann)
    await core.device("attic", bob)
    for device in ("kitchen", "hall", "attic"):
        await core.store(device, "t", "1")
    limited = await core.bearer(ann, "read", devices=["hall"])
    cases = [
        (await core.bearer(ann, "read"), ["hall", "kitchen"]),
        (limited, ["hall"]),
        (basic("kitchen", key), ["kitchen"]),
    ]
    for headers, sees in cases:
        response = await client.get("/metrics/values", headers=headers)
        assert sorted(device for device, _ in parsed(await response.text())["value"]) == sees
    assert (await client.get("/metrics/values")).status == 401


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: text.isprintable()
    ),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_name_and_any_number_come_through(channel, value):
    """As Prometheus' own parser reads them."""
    text = exposition([Latest(Series(1, "telemetry", "kitchen", channel), 1_000, value)]).decode()
    assert parsed(text)["value"] == {("kitchen", channel): value}
