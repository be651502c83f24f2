"""What is refused because it is too much work, and how Prometheus says so."""

from __future__ import annotations

from gateway.errors import GatewayError


class TooMuch(GatewayError):
    """A query that would read or make more than one query may."""

    code = "too_much"
    status = 422
