"""TLS contexts from certificate files; TLS 1.2 or later."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

_END = "-----END CERTIFICATE-----"


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
            _load_chain(context, self._cert, self._key)
            if self._client_ca is not None:
                _load_ca(context, self._client_ca)


def trusting(cert: Path) -> ssl.SSLContext:
    """Return what lets a client trust a server's certificate, whatever its name, and no other."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    first, end, _ = cert.read_text().partition(_END)  # those behind it sign others, too
    client.load_verify_locations(cadata=first + end)
    return client


def out_of_date(cert: Path, key: Path) -> str | None:
    """Return why the date of a certificate refuses it today; None where it does not.

    A client that trusts this very certificate greets a server that has it, both in memory.
    """
    server = ServerTls(cert, key).context
    client = trusting(cert)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (ours, theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return _DATES.get(error.verify_code)
    return None


# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL
_DATES = {9: "is not valid yet", 10: "has expired"}


def _load_chain(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Load a certificate and its key. A key with a passphrase is refused: OpenSSL would ask for it
    on the terminal, and the start would hang there.
    """
    asked = False

    def nobody_to_ask() -> bytes:
        nonlocal asked
        asked = True
        return b""

    try:
        context.load_cert_chain(cert, key, password=nobody_to_ask)
    except (ssl.SSLError, OSError) as error:
        raise Invalid(_reason(cert, key, error, asked=asked)) from error


def _reason(cert: Path, key: Path, error: OSError, *, asked: bool) -> str:
    if asked:
        return f"{key} has a passphrase, which nobody could type at a start: keep it without one"
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"{key} is not the private key of {cert}"
    for file, kind in ((cert, "CERTIFICATE"), (key, "PRIVATE KEY")):
        if not _holds(file, kind):
            return f"{file} holds no {kind.lower()} in PEM form"
    return f"{cert} with {key}: {error}"


def _holds(file: Path, kind: str) -> bool:
    try:
        return f"{kind}-----".encode() in file.read_bytes()
    except OSError:
        return True  # what hinders reading is in the error


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError) as error:
        why = str(error) if _holds(ca, "CERTIFICATE") else "holds no certificate in PEM form"
        raise Invalid(f"client_ca: {ca}: {why}") from error


def client_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return the context for connecting to an external broker; raises `Invalid`."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (ssl.SSLError, OSError) as error:
        raise Invalid(f"[broker.tls] ca: {ca}: {error}") from error
    if cert is not None and key is not None:
        try:
            _load_chain(context, cert, key)
        except Invalid as error:
            raise Invalid(f"[broker.tls] {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
