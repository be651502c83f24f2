"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.bridges.http import parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.bridges.http.routes import Route

_REF = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"{(\w+)}")


class Problem(msgspec.Struct):
    """What is wrong (RFC 9457). `code`: a word to compare; `fields`: what is wrong with each part
    of the request.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    fields: dict[str, str] = {}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """Return the document that describes these routes."""
    table = list(routes)
    structs = [
        Problem,
        *(part for route in table for part in (route.body, route.answer) if isinstance(part, type)),
    ]
    _, schemas = msgspec.json.schema_components(
        list(dict.fromkeys(structs)), schema_hook=parameters.written, ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Device gateway",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"device": []}, {"cookie": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API token, or a device's key for its own routes",
    },
    "device": {"type": "http", "scheme": "basic", "description": "a device's id and key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "gateway_session"},
}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {
            str(route.status): _response(route),
            **_more_responses(route),
            "default": _PROBLEM,
        },
    }
    if found := [*_in_path(route), *_in_query(route), *_in_headers(route)]:
        operation["parameters"] = found
    if route.body is not None:
        operation["requestBody"] = {
            "content": {_taken(route.body): {"schema": _schema(route.body)}}
        }
    if route.open:
        operation["security"] = []
    return operation


_PROBLEM = {
    "description": "a problem",
    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
}


def _response(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "done"}
    text = {media: {"schema": {"type": "string"}} for media in route.media}
    if route.answer == {"type": "string"}:
        return {"description": route.summary, "content": text}
    return {
        "description": route.summary,
        "content": {"application/json": {"schema": _schema(route.answer)}, **text},
    }


def _more_responses(route: Route) -> dict[str, Any]:
    return {
        str(status): {**_response(route), "description": when}
        for status, when in route.also.items()
    }


def _schema(part: type[msgspec.Struct] | dict[str, Any]) -> dict[str, Any]:
    return {"$ref": _REF.format(name=part.__name__)} if isinstance(part, type) else part


def _taken(part: type[msgspec.Struct] | dict[str, Any]) -> str:
    return "application/json" if isinstance(part, type) else "*/*"


def _in_path(route: Route) -> list[dict[str, Any]]:
    names = _PATH_PARAMETER.findall(route.template)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _in_query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = msgspec.json.schema(route.query, schema_hook=parameters.written)["$defs"][
        route.query.__name__
    ]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema["required"],
            "schema": _plain(about),
        }
        for name, about in schema["properties"].items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave `null` out: in a query a parameter is left out instead."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    return {**kinds[0], **rest}


def _in_headers(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": about}
        for name, about in route.headers.items()
    ]
