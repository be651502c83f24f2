"""docs/http-api.md names every route and what each takes, and nothing that is not there."""

import inspect
import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from gateway import errors
from gateway.bridges.http import listening
from gateway.bridges.http.api import api
from gateway.bridges.http.routes import API

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z]+) (/\S*)` \|([^|]*)\|", re.MULTILINE)


def rows():
    """Return what the page says: {(method, path): what the route takes}."""
    return {
        (method, path): set(re.findall(r"`(\w+)`", takes))
        for method, path, takes in ROW.findall(PAGE)
    }


@pytest.fixture(scope="module")
def routes():
    """The table of routes; what they call is not called here."""
    parts = {name: Mock() for name in inspect.signature(api).parameters}
    others = [make(Mock()) for make in (listening.stream, listening.websocket, listening.mqtt)]
    return api(**{**parts, "version": "0", "measures": (), "others": others})


def test_every_route_is_on_the_page_and_every_one_there_exists(routes):
    """Both ways."""
    assert rows().keys() == {(route.method, route.template.removeprefix(API)) for route in routes}


def test_what_each_route_takes_is_on_the_page(routes):
    """Parameters of the query and fields of the body, both ways."""
    documented = rows()
    for route in routes:
        structs = [part for part in (route.query, route.body) if isinstance(part, type)]
        takes = {name for struct in structs for name in struct.__struct_encode_fields__}
        assert documented[route.method, route.template.removeprefix(API)] == takes, route.path


def test_every_code_of_an_error_is_on_the_page():
    """Those of the error tree that a client can meet."""
    meets = [
        errors.Invalid,
        *errors.Invalid.__subclasses__(),
        errors.Unauthenticated,
        errors.Forbidden,
        errors.NotFound,
    ]
    meets += [errors.Conflict, errors.TooLarge, errors.UnsupportedMedia, errors.TooMany]
    meets += [errors.Unavailable, errors.NoReply]
    table = PAGE[PAGE.index("| status | `code` |") : PAGE.index("## Devices")]
    for error in meets:
        row = next(line for line in table.splitlines() if line.startswith(f"| {error.status} |"))
        assert f"`{error.code}`" in row
