"""TLS contexts: what is wrong with files is said by name, and whether a certificate's days are
over.
"""

import datetime as dt
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from gateway.errors import Invalid
from gateway.tls import ServerTls, client_context, out_of_date, trusting

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def ca():
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def write(tmp_path, ca):
    """Return a function that makes a certificate and its key; it returns their paths."""

    def written(name="gateway", **options):
        leaf = ca.issue_cert("localhost", **options)
        cert, key = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        return cert, key

    return written


def complaint(*files) -> str:
    """What a server with these files says."""
    with pytest.raises(Invalid) as caught:
        ServerTls(*files)
    return str(caught.value)


def test_a_key_of_another_certificate(write):
    """It is said which file does not belong to which."""
    (cert, _), (_, other) = write(), write("other")
    assert complaint(cert, other) == f"{other} is not the private key of {cert}"


def test_files_the_wrong_way_round(write):
    """The first that holds something else is named."""
    cert, key = write()
    assert complaint(key, cert) == f"{key} holds no certificate in PEM form"


def test_a_key_that_is_none(write):
    """Such as the certificate once more."""
    cert, _ = write()
    assert complaint(cert, cert) == f"{cert} holds no private key in PEM form"


def test_a_key_with_a_passphrase(write):
    """There is nobody to type it."""
    cert, key = write()
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    forms = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(plain.private_bytes(*forms, locked))
    assert complaint(cert, key).startswith(f"{key} has a passphrase")


def test_a_client_ca_that_is_none_is_named(write, tmp_path):
    """The certificate and its key are right, so they are not mentioned."""
    cert, key = write()
    for text in ("", "nothing"):
        (tmp_path / "ca.crt").write_text(text)
        assert complaint(cert, key, tmp_path / "ca.crt").startswith(f"client_ca: {tmp_path}/ca.crt")


def test_a_renewed_certificate_that_is_wrong_changes_nothing(write):
    """The old one stays in use."""
    cert, key = write()
    tls = ServerTls(cert, key)
    write("other")[0].replace(cert)
    with pytest.raises(Invalid, match="is not the private key"):
        tls.reload()
    assert isinstance(tls.context, ssl.SSLContext)


def test_the_days_of_a_certificate(write):
    """Today is among them, or it is said on which side."""
    now = dt.datetime.now(dt.UTC)
    assert out_of_date(*write()) is None
    assert out_of_date(*write(not_before=now - 9 * DAY, not_after=now - DAY)) == "has expired"
    late = write(not_before=now + DAY, not_after=now + 9 * DAY)
    assert out_of_date(*late) == "is not valid yet"


def test_files_for_an_external_broker(write, tmp_path):
    """The table is named, and which of its files is wrong."""
    (cert, key), (_, other) = write(), write("other")
    (tmp_path / "ca.crt").write_text("nothing")
    assert client_context(None, cert, key).minimum_version == ssl.TLSVersion.TLSv1_2
    with pytest.raises(Invalid, match=r"\[broker.tls\] ca: .*ca\.crt"):
        client_context(tmp_path / "ca.crt", None, None)
    with pytest.raises(Invalid, match=r"\[broker.tls\] .*other\.key is not the private key of"):
        client_context(None, cert, other)


def test_a_client_trusts_one_certificate_alone(write, ca):
    """Whatever its name; neither another of the same CA, nor the CA that stands behind it."""
    (cert, _), (other, _) = write(), write("other")
    both = cert.read_text() + other.read_text()
    cert.write_text(both)
    assert trusting(cert).cert_store_stats()["x509"] == 1
    assert trusting(cert).verify_mode is ssl.CERT_REQUIRED
