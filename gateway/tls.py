"""TLS contexts from certificate files; TLS 1.2 or later."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from gateway.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path


class ServerTls:
    """A server's context whose certificate can be renewed: connections that are open go on with the
    old one.

    `client_ca`: clients may show a certificate of this CA. Raises `Invalid` where the files do not
    fit together.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if client_ca is not None:
            self.context.verify_mode = ssl.CERT_OPTIONAL
        self.reload()

    def reload(self) -> None:
        """Read the files again; the old certificate stays in use where they are wrong."""
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for context in (trial, self.context):
            try:
                context.load_cert_chain(self._cert, self._key, password=_nobody_to_ask)
                if self._client_ca is not None:
                    context.load_verify_locations(self._client_ca)
            except (ssl.SSLError, OSError) as error:
                raise Invalid(f"{self._cert} with {self._key}: {error}") from error


def _nobody_to_ask() -> bytes:
    """A key with a passphrase is refused: OpenSSL would ask for it on the terminal, and the start
    would hang there.
    """
    return b""


def client_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return the context for connecting to an external broker; raises `Invalid`."""
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key, password=_nobody_to_ask)
    except (ssl.SSLError, OSError) as error:
        raise Invalid(f"[broker.tls]: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
