"""What a client of `/api/v1/ws` sends: one JSON object a message. No I/O."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec

from gateway.errors import Invalid
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ID = 64  # characters of an id
_LONGEST = 40  # characters of a word that a near one is looked for
Id = str | int | float | None
Seq = Annotated[int, msgspec.Meta(ge=0)]


class Auth(msgspec.Struct, tag_field="type", tag="auth", forbid_unknown_fields=True):
    """The first message of a client that sent no header."""

    token: str
    id: Id = None


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe", forbid_unknown_fields=True):
    """Ask for frames; the same id again replaces the subscription."""

    filter: str
    id: Id = None
    snapshot: bool = True
    since: Seq | None = None
    epoch: str | None = None
    mode: Literal["all", "latest"] = "all"


class Unsubscribe(msgspec.Struct, tag_field="type", tag="unsubscribe", forbid_unknown_fields=True):
    """Ask for them no more."""

    id: Id = None


class Command(msgspec.Struct, tag_field="type", tag="command", forbid_unknown_fields=True):
    """Send a command to a device; `wait`, `ttl`: s."""

    device: str
    name: str
    id: Id = None
    value: Any = None
    wait: Annotated[float, msgspec.Meta(ge=0, le=60)] | None = None
    ttl: Annotated[float, msgspec.Meta(gt=0)] | None = None


class Ping(msgspec.Struct, tag_field="type", tag="ping"):
    """Ask whether the gateway is there."""

    id: Id = None


Request = Auth | Subscribe | Unsubscribe | Command | Ping
_TYPES: dict[str, type[msgspec.Struct]] = {
    each.__struct_config__.tag: each for each in get_args(Request)
}
_decode = msgspec.json.Decoder(Request).decode
_any = msgspec.json.Decoder().decode
_UNKNOWN = re.compile("Object contains unknown field `(.*)`", re.DOTALL)


def read(text: str) -> Request:
    """Return what a message asks; raises `Invalid`."""
    try:
        request = _request(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    if not _is_id(request.id):
        raise Invalid(f"id: a string or a number of at most {MAX_ID} characters")
    return request


def _request(text: str) -> Request:
    try:
        request: Request = _decode(text)
    except msgspec.ValidationError as error:
        raise Invalid(_said(_any(text), str(error))) from None
    return request


def id_of(text: str) -> Id:
    """Return the id of a message that is wrong otherwise, so that its sender knows which; None
    where it has none that can be given back.
    """
    try:
        message = _any(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    found: Id = message.get("id") if isinstance(message, dict) else None
    return found if _is_id(found) else None


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and len(to_json(value)) <= MAX_ID)


def _said(message: Any, error: str) -> str:
    """Say what is wrong with a message that is JSON, and what is probably meant."""
    if not isinstance(message, dict):
        return 'send a JSON object, such as {"type":"subscribe","filter":"#"}'
    asked = message.get("type")
    if "type" not in message:
        return f"type is missing: one of {', '.join(_TYPES)}"
    if not isinstance(asked, str) or asked not in _TYPES:
        return f"type: no such message{_meant(asked, _TYPES)}"
    unknown = _UNKNOWN.match(error)
    if unknown:
        known = _TYPES[asked].__struct_fields__
        return f"{unknown[1][:MAX_ID]}: no such field{_meant(unknown[1], known)}"
    what, _, where = error.replace("`", "").partition(" - at $.")
    return f"{where}: {what[:1].lower()}{what[1:]}" if where else what[:1].lower() + what[1:]


def _meant(word: Any, known: Iterable[str]) -> str:
    if not isinstance(word, str) or len(word) > _LONGEST:
        return ""
    near = get_close_matches(word, list(known), 1)
    return f"; {near[0]!r} is probably meant" if near else ""
