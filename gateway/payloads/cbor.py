"""CBOR (RFC 8949): read as the JSON object that it stands for."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

import cbor2

from gateway.errors import Untranslatable
from gateway.payloads.json_text import MAX_DEPTH, json_readings, one_json
from gateway.payloads.objects import as_json

if TYPE_CHECKING:
    from gateway.payloads.reading import Reading


def one_cbor(payload: bytes) -> str:
    """Return a payload as JSON text on one line. Raises `Untranslatable`."""
    return one_json(as_json(decode(payload)))


def cbor_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of a payload whose channels are in it. Raises `Untranslatable`."""
    return json_readings(as_json(decode(payload)), now)


def decode(payload: bytes) -> Any:
    """Return the object that a payload is. Raises `Untranslatable`."""
    stream = BytesIO(payload)
    try:
        value = cbor2.load(
            stream,
            max_depth=MAX_DEPTH,
            semantic_decoders=_NOT_TAKEN,
            tag_hook=_refuse,
            allow_duplicate_keys=False,
        )
    except (cbor2.CBORError, ValueError, OverflowError, TypeError, RecursionError) as error:
        if isinstance(error.__cause__, Untranslatable):
            raise error.__cause__ from None
        raise Untranslatable(f"not CBOR: {str(error)[:200]}") from None
    if stream.tell() != len(payload):
        raise Untranslatable("not CBOR: there are bytes after its end")
    return None if value is cbor2.undefined else value


def _refuse(*_: Any) -> NoReturn:
    raise Untranslatable("not CBOR of a kind taken here: of tags only times and big numbers are")


# Decimal fractions, shared values, rationals, patterns, sets, addresses: some take very long to
# make from few bytes, and none has a form in JSON.
_NOT_TAKEN = dict.fromkeys((4, 5, 25, 28, 29, 30, 35, 36, 37, 256, 258, 260, 261, 43000), _refuse)
