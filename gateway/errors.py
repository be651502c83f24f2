"""One tree of errors.

Each class carries what the three protocols need to say it: an HTTP status, a WebSocket close code
and an MQTT 5 reason code, and `code`, a word that scripts can compare. A bridge catches
`GatewayError` at its boundary and needs no table of its own.

    GatewayError
    ├── Invalid                 what was sent is wrong; `fields` names each wrong part
    │   ├── InvalidTopic        not a topic name, topic filter, device id or channel
    │   ├── Untranslatable      a payload that a route cannot decode
    │   └── FutureCursor        a cursor above the newest seq
    ├── Unauthenticated         no sign-in, or a wrong one; `delay` seconds to hold the answer back
    ├── Forbidden               signed in, but not permitted
    ├── NotFound
    ├── Conflict                exists already, or is in the wrong state
    ├── TooLarge                above a size limit
    ├── UnsupportedMedia        a body of a kind that is not read here
    ├── TooMany                 above a rate, a count or a queue's bound; `retry_after` seconds
    ├── Unavailable             storage refuses writes, or the gateway is stopping
    │   └── StoreError          the store refuses, or cannot be read; its own words
    ├── NoReply                 a wait that ran out
    └── ProtocolError           the peer broke its protocol: this one connection ends
"""

from __future__ import annotations


class GatewayError(Exception):
    """A request failed; the message says what to do about it."""

    code: str = "internal"
    status: int = 500  # RFC 9110
    close_code: int = 1011  # RFC 6455 section 7.4
    reason_code: int = 0x80  # MQTT 5 section 2.4
    retry_after: float | None = None
    delay: float = 0.0  # s to hold the answer back

    def __init__(self, message: str, *, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}

    @property
    def detail(self) -> str:
        """What happened, and what to do about it."""
        return str(self)


class Invalid(GatewayError):
    """What was sent is wrong; `fields` says which part and why."""

    code = "invalid"
    status = 400
    close_code = 1008
    reason_code = 0x83


class InvalidTopic(Invalid):
    """Not a topic name, topic filter, device id or channel."""

    code = "invalid_topic"
    reason_code = 0x90


class Untranslatable(Invalid):
    """A payload that its route cannot decode; kept in the rejected list."""

    code = "untranslatable"
    reason_code = 0x99


class FutureCursor(Invalid):
    """A cursor above the newest seq: it comes from another database, or from a mistake."""

    code = "future_cursor"


class Unauthenticated(GatewayError):
    """No sign-in, or a wrong one. `delay`: seconds to hold the answer back (abuse)."""

    code = "unauthenticated"
    status = 401
    close_code = 4401
    reason_code = 0x86

    def __init__(self, message: str = "sign in first", *, delay: float = 0.0) -> None:
        super().__init__(message)
        self.delay = delay


class Forbidden(GatewayError):
    """Signed in, but not permitted."""

    code = "forbidden"
    status = 403
    close_code = 4403
    reason_code = 0x87


class NotFound(GatewayError):
    """There is no such thing, or none that the asker may know of."""

    code = "not_found"
    status = 404
    close_code = 4404


class Conflict(GatewayError):
    """It exists already, or is in a state that forbids this."""

    code = "conflict"
    status = 409
    close_code = 4409


class TooLarge(GatewayError):
    """Above a size limit."""

    code = "too_large"
    status = 413
    close_code = 1009
    reason_code = 0x95


class UnsupportedMedia(GatewayError):
    """A body of a kind, or in a charset, that is not read here."""

    code = "unsupported_media_type"
    status = 415
    close_code = 1003
    reason_code = 0x99


class TooMany(GatewayError):
    """Above a rate, a count or the bound of a queue; try again after `retry_after` seconds.
    `delay`: seconds to hold the answer back, or a flooding client would try again at once.
    """

    code = "too_many"
    status = 429
    close_code = 1013
    reason_code = 0x97

    def __init__(self, message: str, *, retry_after: float = 1.0, delay: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.delay = delay


class Unavailable(GatewayError):
    """Storage refuses writes, or the gateway is stopping; try again later."""

    code = "unavailable"
    status = 503
    close_code = 1013
    reason_code = 0x88

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreError(Unavailable):
    """The store refuses a write or cannot be read: a full disk, a lock, a damaged file."""


class NoReply(GatewayError):
    """What was waited for did not come in time."""

    code = "timeout"
    status = 504
    close_code = 4408


class ProtocolError(GatewayError):
    """The peer broke its protocol; only this connection ends, with `reason_code` where MQTT has
    one.
    """

    code = "protocol"
    status = 400
    close_code = 1002
    reason_code = 0x82

    def __init__(self, message: str, reason_code: int = 0x82) -> None:
        super().__init__(message)
        self.reason_code = reason_code
