"""Where the gateway is found: by programs on its own machine, and by people and boards
elsewhere.
"""

from __future__ import annotations

import socket

# The address that means "every one of this machine" is nothing to connect to.
EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # nosec B104
# From the block for documentation (RFC 5737): for a route to there, the system names the address
# of this machine that the way begins with. Nothing is sent.
_ELSEWHERE = ("192.0.2.1", 9)


def local_url(host: str, port: int, *, tls: bool) -> str:
    """Return the URL at which this machine reaches a server that listens on `host`."""
    return _url("localhost" if host in EVERYWHERE else host, port, tls=tls)


def public_url(host: str, port: int, *, tls: bool) -> str:
    """Return the URL at which other machines reach it, as far as this one can know."""
    return _url((lan_address() or "localhost") if host in EVERYWHERE else host, port, tls=tls)


def lan_address() -> str | None:
    """Return this machine's address in its network; None where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address in EVERYWHERE else address


def _url(host: str, port: int, *, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
