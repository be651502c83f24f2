"""Endpoints: what a client says that it can be sent, and whether a value is among it.

A declaration is `{"id", "name", "type", "specialId"?, "constraints"?}`. The words of problems are
the protocol's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import msgspec

from gateway.errors import Invalid
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

Type: TypeAlias = Literal["boolean", "integer", "string", "enum"]

MOST = 200  # endpoints of one client
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class Misdeclared(Invalid):
    """A declaration is wrong: `endpoint`, if it has an id, and the `problem`."""

    def __init__(self, endpoint: str | None, problem: str) -> None:
        super().__init__(f"endpoint {endpoint!r:.80}: {problem}")
        self.endpoint = endpoint
        self.problem = problem


class Refused(Invalid):
    """A value is not among what an endpoint takes; the `word` says why."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a client can be sent, under the endpoint's id as the event. `constraints` are those of
    its type.
    """

    id: str
    name: str
    type: Type
    special_id: str | None = None
    constraints: dict[str, Any] = {}

    def accept(self, data: Any) -> Any:
        """Return the value to send; raises `Refused`. Text that says a boolean or a number is taken
        for it, and a number as text where the endpoint takes text.
        """
        return _ACCEPT[self.type](data, self.constraints)


def declared(listed: Any) -> dict[str, Endpoint]:
    """Return the endpoints of a declaration by id; raises `Misdeclared`."""
    if not isinstance(listed, list):
        raise Misdeclared(None, "endpoints_must_be_list")
    if len(listed) > MOST:
        raise Misdeclared(None, "too_many_endpoints")
    endpoints = map(_endpoint, listed)
    return {endpoint.id: endpoint for endpoint in endpoints}


def _endpoint(data: Any) -> Endpoint:
    if not isinstance(data, dict):
        raise Misdeclared(None, "endpoint_must_be_object")
    id_ = data.get("id")
    problem = _misnamed(data) or _misconstrained(data["type"], data.get("constraints"))
    if problem is not None:
        raise Misdeclared(id_ if isinstance(id_, str) else None, problem)
    given = {
        key: value for key, value in (data.get("constraints") or {}).items() if value is not None
    }
    return Endpoint(
        id=data["id"],
        name=data["name"],
        type=data["type"],
        special_id=data.get("specialId"),
        constraints=given,
    )


def _misnamed(data: dict[str, Any]) -> str | None:
    for key in ("id", "type", "name"):
        if key not in data:
            return f"no_{key}_specified"
    for key in ("id", "type", "name"):
        if not isinstance(data[key], str):
            return f"{key}_must_be_string"
    if data["type"] not in get_args(Type):
        return "invalid_type_specified"
    if not isinstance(data.get("specialId"), str | None):
        return "special_id_must_be_string"
    return None


def _misconstrained(type_: str, constraints: Any) -> str | None:
    if constraints is None:
        constraints = {}
    if not isinstance(constraints, dict):
        return "constraints_must_be_object"
    if type_ == "integer":
        return _not_whole(constraints, "min", "max", "increment")
    if type_ == "string":
        return _not_whole(constraints, "length") or _misfiltered(constraints)
    if type_ == "enum":
        return _misvalued(constraints.get("values"))
    return None


def _not_whole(constraints: dict[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = constraints.get(key)
        if value is not None and not _is_whole(value):
            return f"constraint_{key}_must_be_integer"
    return None


def _misfiltered(constraints: dict[str, Any]) -> str | None:
    allow, deny = constraints.get("allowList"), constraints.get("denyList")
    if allow is not None and deny is not None:
        return "constraint_both_allow_list_and_deny_list_specified"
    for given in (allow, deny):
        if not isinstance(given, str | list | None):
            return "constraint_list_must_be_string_or_list"
        if isinstance(given, list) and not all(isinstance(item, str) for item in given):
            return "constraint_list_must_only_contain_strings"
    return None


def _misvalued(values: Any) -> str | None:
    if values is None:
        return "enum_type_requires_values_constraint"
    if not isinstance(values, dict):
        return "constraint_values_must_be_dict"
    if not all(isinstance(value, str) or _is_whole(value) for value in values.values()):
        return "constraint_values_values_must_be_int_or_string"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _boolean(data: Any, constraints: dict[str, Any]) -> bool:
    if isinstance(data, bool):
        return data
    found = _BOOLEANS.get(str(data).lower()) if isinstance(data, str | int) else None
    if found is None:
        raise Refused("invalid_data_type")
    return found


def _integer(data: Any, constraints: dict[str, Any]) -> int:
    if isinstance(data, str) and _INTEGER.fullmatch(data.strip()):
        data = int(data)
    if not _is_whole(data):
        raise Refused("invalid_data_type")
    least, most, step = constraints.get("min"), constraints.get("max"), constraints.get("increment")
    if least is not None and data < least:
        raise Refused("lower_than_min")
    if most is not None and data > most:
        raise Refused("higher_than_max")
    if step == most:
        step = None  # iot.io-client before 0.4.12 sends `max` as the increment
    if step and (data - (least or 0)) % step != 0:  # counted from the least, as a slider counts
        raise Refused("invalid_increment")
    return int(data)


def _string(data: Any, constraints: dict[str, Any]) -> str:
    if isinstance(data, int | float) and not isinstance(data, bool):
        data = to_json(data)
    if not isinstance(data, str):
        raise Refused("invalid_data_type")
    if len(data) != constraints.get("length", len(data)):
        raise Refused("invalid_length")
    allow, deny = constraints.get("allowList"), constraints.get("denyList")
    if allow is not None and not all(part in allow for part in _parts(data, allow)):
        raise Refused("violates_allow_list")
    if deny is not None and any(part in deny for part in _parts(data, deny)):
        raise Refused("violates_deny_list")
    return data


def _parts(data: str, filter_: str | list[str]) -> str | list[str]:
    """A string counts per character, a list per whole value."""
    return data if isinstance(filter_, str) else [data]


def _enum(data: Any, constraints: dict[str, Any]) -> str | int:
    values = list(constraints["values"].values())
    if isinstance(data, str) and data not in values and _INTEGER.fullmatch(data):
        data = int(data)
    if isinstance(data, bool) or not isinstance(data, str | int):
        raise Refused("invalid_data_type")
    if data not in values:
        raise Refused("invalid_enum_value")
    return data


_ACCEPT: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "string": _string,
    "enum": _enum,
}
