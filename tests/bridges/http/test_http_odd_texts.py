"""Odd texts through every entrance of HTTP that stores or compiles one: an answer below 500,
always.
"""

import pytest

from gateway.bridges.http.routes import API

ODD = [
    b'"\\u0000"',
    b'"\\ud800"',
    b'"\\ud800\\udc00"',
    b'"' + b"x" * 3_000 + b'"',
    b'"' + b"+/" * 1_500 + b'+"',
    b"9" * 3_000,
    b"1e999",
    b"-9223372036854775809",
    b"[" * 1_500 + b"]" * 1_500,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"NaN",
    b"\xff",
    b"null",
]


def fields(route):
    """Return the names that a route's body knows; none where it takes anything."""
    return getattr(route.body, "__struct_encode_fields__", ())


@pytest.mark.parametrize("value", ODD)
async def test_no_text_is_too_odd(core, client, routes, value, caplog):
    """As each field of each body, as the whole body, and in the query and the path."""
    user = await core.user("root@example.org", role="admin")
    headers = await core.bearer(user)
    headers["Content-Type"] = "application/json"
    await core.device("kitchen", user)
    for route in routes:
        if route.lasting:
            continue
        path = route.template.replace("{id}", "kitchen").replace("{channel}", "a")
        path = path.replace("{name}", "led")
        bodies = [value, *(b'{"%b":%b}' % (name.encode(), value) for name in fields(route))]
        for body in bodies if route.body is not None else [b""]:
            async with client.request(route.method, path, data=body, headers=headers) as response:
                assert response.status < 500, (route.path, body[:80])
        if "kitchen" not in core.registry.devices:  # it was removed
            await core.device("kitchen", user)
    for text in ("%00", "%ED%A0%80", "%F0%90%80%80", "9" * 500):
        for path in (f"/devices/{text}", f"/history?device={text}", f"/frames?filter={text}"):
            async with client.get(API + path, headers=headers) as response:
                assert response.status < 500, path
    await core.journal.flush()
    assert "Traceback" not in caplog.text
