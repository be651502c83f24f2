"""The handshake: what a client says of itself, in the headers of its request (version 1) or its
first packet (0.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.bridges.iotio import text
from gateway.bridges.iotio.endpoints import Endpoint, Misdeclared, declared
from gateway.errors import Invalid, InvalidTopic
from gateway.topics import check_device

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "1"
_PREFIX = "iot-io-"
_ALL = ("IoT-IO-Id", "IoT-IO-Type", "IoT-IO-Data", "IoT-IO-Endpoints", "IoT-IO-ProtocolVersion")
_decode = msgspec.json.Decoder().decode


class Refusal(Invalid):
    """A client is not let in: `word` is the protocol's, `info` goes with it, the message says more
    in the log.
    """

    def __init__(self, word: str, message: str = "", *, info: dict[str, Any] | None = None) -> None:
        super().__init__(message or word)
        self.word = word
        self.info = info


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants in. `endpoints`: None where the client does not say; `key`: its own, if it is in
    the data.
    """

    id: str
    type: str
    data: dict[str, Any]
    key: str | None = None
    endpoints: dict[str, Endpoint] | None = None

    def __repr__(self) -> str:
        return f"Hello(id={self.id!r}, type={self.type!r})"


def in_headers(headers: Mapping[str, str]) -> bool:
    """Tell whether a request is a handshake of version 1, right or wrong; 0.2 has none of its
    headers.
    """
    return any(name.lower().startswith(_PREFIX) for name in headers)


def by_library(headers: Mapping[str, str]) -> bool:
    """Tell whether a handshake is as iot.io-client sends it: every header, and no name of the
    program.
    """
    return "User-Agent" not in headers and all(name in headers for name in _ALL)


def from_headers(headers: Mapping[str, str]) -> Hello:
    """Read the handshake of version 1; raises `Refusal`."""
    version = headers.get("IoT-IO-ProtocolVersion")
    hello = _hello(headers.get("IoT-IO-Id"), headers.get("IoT-IO-Type"), headers.get("IoT-IO-Data"))
    endpoints = _endpoints(headers.get("IoT-IO-Endpoints"))
    if version is None:
        raise Refusal("client_no_protocol_version")
    if version.strip() != VERSION:
        raise Refusal(
            "client_incompatible_protocol_version", f"version {version[:20]!r} is not {VERSION}"
        )
    return msgspec.structs.replace(hello, endpoints=endpoints)


def from_packet(packet: str) -> Hello:
    """Read the handshake of version 0.2; raises `Refusal`."""
    try:
        return _hello(*text.arguments(packet, 3))
    except Refusal:
        raise
    except Invalid as error:
        raise Refusal("client_invalid_packet", str(error)) from None


def _hello(id_: str | None, type_: str | None, data: str | None) -> Hello:
    if not id_:
        raise Refusal("client_no_id")
    if not type_:
        raise Refusal("client_no_type")
    try:
        check_device(id_)
    except InvalidTopic as error:
        raise Refusal("client_no_id", str(error)) from None
    members = _data(data)
    key = members.pop("key", None)
    return Hello(id=id_, type=type_, data=members, key=key if isinstance(key, str) else None)


def _data(text_: str | None) -> dict[str, Any]:
    if not text_:
        return {}
    try:
        data = _decode(text_)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Refusal("client_invalid_data", "the data is not a JSON object")
    return data


def _endpoints(text_: str | None) -> dict[str, Endpoint] | None:
    if not text_:
        return None
    try:
        return declared(_decode(text_)) or None
    except Misdeclared as error:
        info = {"endpointId": error.endpoint, "endpointProblem": error.problem}
        raise Refusal("client_invalid_endpoints", str(error), info=info) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        info = {"endpointId": "", "endpointProblem": "invalid_json"}
        raise Refusal("client_invalid_endpoints", "the endpoints are not JSON", info=info) from None
