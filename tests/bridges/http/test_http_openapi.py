"""The documents that describe the gateway, compared with what is there."""

import re

import pytest

from gateway.bridges.http.asyncapi import Servers
from gateway.topics import check_topic


@pytest.fixture
async def openapi(core, client):
    """The OpenAPI document."""
    return await (
        await client.get("/openapi.json", headers=await core.bearer(await core.user()))
    ).json()


@pytest.fixture
async def asyncapi(core, client):
    """The AsyncAPI document."""
    return await (
        await client.get("/asyncapi.json", headers=await core.bearer(await core.user()))
    ).json()


def references(part):
    """Yield every `$ref` in a document."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


def resolve(document, reference):
    """Return what a `$ref` points to; raises `KeyError` where there is nothing."""
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def test_every_route_is_documented_and_every_documented_route_is_there(app, openapi):
    """Both ways, from the router itself."""
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD"
    }
    documented = {
        (method.upper(), path) for path, item in openapi["paths"].items() for method in item
    }
    assert documented == served


def test_the_document_holds_together(openapi):
    """What OpenAPI 3.1 demands: versions, references that lead somewhere, ids of one's own, path
    parameters.
    """
    assert openapi["openapi"].startswith("3.1.")
    assert {"title", "version"} <= openapi["info"].keys()
    for reference in references(openapi):
        assert resolve(openapi, reference)
    operations = [
        (path, operation) for path, item in openapi["paths"].items() for operation in item.values()
    ]
    ids = [operation["operationId"] for _, operation in operations]
    assert all(re.fullmatch(r"[a-z_]+", id_) for id_ in ids)
    assert len(set(ids)) == len(ids)
    for path, operation in operations:
        parameters = operation.get("parameters", [])
        in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert all(parameter["required"] for parameter in parameters if parameter["in"] == "path")
        assert all({"name", "in", "schema"} <= parameter.keys() for parameter in parameters)
        assert operation["summary"]
        assert all(response["description"] for response in operation["responses"].values())


def test_a_query_s_parameters_have_their_bounds(openapi):
    """As the structs have them, and without null."""
    parameters = {p["name"]: p for p in openapi["paths"]["/api/v1/frames"]["get"]["parameters"]}
    assert parameters.keys() == {"filter", "after", "epoch", "limit", "wait"}
    assert (parameters["limit"]["schema"]["minimum"], parameters["limit"]["schema"]["maximum"]) == (
        1,
        10_000,
    )
    assert parameters["after"]["schema"]["type"] == "integer"
    assert parameters["filter"]["schema"]["items"]["type"] == "string"


def test_open_routes_say_that_they_need_no_sign_in(openapi):
    """The others need one of the three."""
    assert openapi["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in openapi["paths"]["/api/v1/devices"]["get"]
    assert {next(iter(one)) for one in openapi["security"]} == openapi["components"][
        "securitySchemes"
    ].keys()


def test_the_asyncapi_document_holds_together(asyncapi):
    """Version, references that lead somewhere, addresses with their parameters."""
    assert asyncapi["asyncapi"] == "3.0.0"
    for reference in references(asyncapi):
        assert resolve(asyncapi, reference)
    for channel in asyncapi["channels"].values():
        assert set(channel.get("parameters", {})) == set(re.findall(r"{(\w+)}", channel["address"]))
        check_topic(channel["address"])
    assert {operation["action"] for operation in asyncapi["operations"].values()} == {
        "send",
        "receive",
    }


def test_the_websocket_s_messages_are_those_of_its_bridge(asyncapi):
    """What the bridge reads by its type is what is documented."""
    from typing import get_args

    from gateway.bridges.websocket.requests import Request

    tags = {struct.__struct_config__.tag for struct in get_args(Request)}
    messages = asyncapi["components"]["messages"]
    documented = {name for name in tags if name in messages}
    assert documented == tags
    for struct in get_args(Request):
        properties = messages[struct.__struct_config__.tag]["payload"]["properties"].keys()
        assert set(struct.__struct_encode_fields__) <= properties | {"id"}


def test_the_asyncapi_document_names_this_gateway_s_ports(asyncapi, client):
    """As they are bound, and no others."""
    servers = asyncapi["servers"]
    assert servers["http"]["host"] == f"gateway.local:{client.port}"
    assert servers["http"]["protocol"] == "ws"
    assert servers["mqtt"]["host"] == "gateway.local:2883"
    assert servers["mqtts"]["host"] == "gateway.local:9883"
    without = Servers(url="https://[2001:db8::1]", mqtt=0, mqtts=8883).described()
    assert without["http"] == {
        "host": "[2001:db8::1]",
        "protocol": "wss",
        "description": "the HTTP port",
    }
    assert "mqtt" not in without
    assert without["mqtts"]["host"] == "[2001:db8::1]:8883"
