"""Nested JSON as channels: `{"ENERGY": {"Power": 12}}` is the channel `ENERGY/Power`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import Untranslatable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_LEAVES = 1000  # of one message
MAX_LEVELS = 16

_decode = msgspec.json.Decoder().decode
_UNFIT = re.compile(r"[+#\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_PLAIN = re.compile(r"[^+#/\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,256}").fullmatch


def json_object(payload: bytes) -> dict[str, Any]:
    """Return a payload that has to be a JSON object. Raises `Untranslatable`."""
    try:
        value = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise Untranslatable(f"not JSON: {reason[:200]}") from None
    if type(value) is not dict:
        raise Untranslatable("a JSON object is expected here")
    return value


def leaves(value: Any, path: str = "", without: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """Yield each value that is neither object nor list, with the path to it as a channel.

    Members named in `without` are passed over, at any depth, and so is null. Raises
    `Untranslatable` where there are too many or they lie too deep.
    """
    for count, leaf in enumerate(_leaves(value, path, without, MAX_LEVELS)):
        if count == MAX_LEAVES:
            raise Untranslatable(f"more than {MAX_LEAVES:,} values in one message")
        yield leaf


def _leaves(
    value: Any, path: str, without: Collection[str], levels: int
) -> Iterator[tuple[str, Any]]:
    if levels == 0:
        raise Untranslatable(f"nested more than {MAX_LEVELS} levels deep")
    members = value.items() if type(value) is dict else enumerate(value)
    for key, member in members:
        if key in without or member is None:
            continue
        name = key if type(key) is str and _PLAIN(key) else fitting(str(key))
        inner = f"{path}/{name}" if path else name
        if type(member) is dict or type(member) is list:
            yield from _leaves(member, inner, without, levels - 1)
        else:
            yield inner, member


def fitting(name: str) -> str:
    """Return a name as one that a channel may have, without levels that are empty."""
    levels = _UNFIT.sub("_", name[:256]).split("/")
    return "/".join(filter(None, levels)) or "_"


def child_id(*parts: Any) -> str:
    """Return a device id made of what names a child: `Nexus-TH-2-42`.

    What a device id may not hold becomes `_`; it has at most 64 characters.
    """
    text = "-".join(str(part) for part in parts if part not in (None, ""))
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", text)[:64] or "_"
