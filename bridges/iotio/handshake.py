"""The handshake: what a client says of itself, in the headers of its request (version 1) or its
first packet (0.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.bridges.edge.values import device_of, line_of
from gateway.bridges.iotio import text
from gateway.bridges.iotio.endpoints import Endpoint, Misdeclared, declared
from gateway.errors import Invalid

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
    """Who wants in. `device`: the id that the client says, or the one that stands for it, and then
    `name` is what it says. `endpoints`: None where the client does not say, as it declared them
    in `declared`; `key`: its own, if it is in the data.
    """

    device: str
    name: str = ""
    type: str
    data: Any
    key: str | None = None
    endpoints: dict[str, Endpoint] | None = None
    declared: Any = ()

    def __repr__(self) -> str:
        return f"Hello(device={self.device!r}, type={self.type!r})"


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
    id_, type_ = _named(headers.get("IoT-IO-Id"), headers.get("IoT-IO-Type"))
    data = _data(headers.get("IoT-IO-Data"))
    if not isinstance(data, dict):
        raise Refusal("client_invalid_data", "the data is not a JSON object")
    listed = _listed(headers.get("IoT-IO-Endpoints"))
    endpoints = _endpoints(listed)
    if version is None:
        raise Refusal("client_no_protocol_version")
    if version.strip() != VERSION:
        raise Refusal(
            "client_incompatible_protocol_version", f"version {version[:20]!r} is not {VERSION}"
        )
    hello = _hello(id_, type_, data)
    return msgspec.structs.replace(hello, endpoints=endpoints, declared=listed)


def from_packet(packet: str) -> Hello:
    """Read the handshake of version 0.2; raises `Refusal`."""
    try:
        id_, type_, data = text.arguments(packet, 3)
    except Invalid as error:
        raise Refusal("client_invalid_packet", str(error)) from None
    return _hello(*_named(id_, type_), _data(data))


def _named(id_: str | None, type_: str | None) -> tuple[str, str]:
    if not id_:
        raise Refusal("client_no_id")
    if not type_:
        raise Refusal("client_no_type")
    return id_, type_


def _hello(id_: str, type_: str, data: Any) -> Hello:
    key = data.pop("key", None) if isinstance(data, dict) else None
    return Hello(
        device=(device := device_of(id_)),
        name="" if device == id_ else line_of(id_),
        type=type_,
        data=data,
        key=key if isinstance(key, str) else None,
    )


def _data(text_: str | None) -> Any:
    """Return what a client says of itself; text that is no JSON, which 0.2 lets through, as
    text.
    """
    if not text_:
        return {}
    try:
        return _decode(text_)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text_.encode(errors="replace").decode()


def _listed(text_: str | None) -> Any:
    try:
        return _decode(text_) if text_ else []
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        info = {"endpointId": "", "endpointProblem": "invalid_json"}
        raise Refusal("client_invalid_endpoints", "the endpoints are not JSON", info=info) from None


def _endpoints(listed: Any) -> dict[str, Endpoint] | None:
    try:
        return declared(listed) or None
    except Misdeclared as error:
        info = {"endpointId": error.endpoint, "endpointProblem": error.problem}
        raise Refusal("client_invalid_endpoints", str(error), info=info) from None
