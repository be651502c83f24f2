"""What the command line demands of the running gateway's certificate."""

from __future__ import annotations

import ssl

import pytest
import trustme
import typer

from gateway.cli.operator import trusted


@pytest.fixture
def secure(tmp_path):
    """Return the path of a configuration with TLS."""
    leaf = trustme.CA().issue_cert("gateway.example")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(leaf.cert_chain_pems[0].bytes())
    key.write_bytes(leaf.private_key_pem.bytes())
    config = tmp_path / "gateway.toml"
    config.write_text(f'[http.tls]\ncert = "{cert}"\nkey = "{key}"\n')
    return config


@pytest.mark.parametrize("host", ["192.168.1.10", "gateway.example", "[2001:db8::1]"])
def test_elsewhere_it_is_the_certificate_of_the_configuration(secure, host):
    """A token is shown to nobody else."""
    context = trusted(f"https://{host}:8443", secure)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_on_loopback_nobody_else_answers(secure, host):
    """Its certificate has another name there."""
    assert trusted(f"https://{host}:8443", secure) is False


def test_a_certificate_that_cannot_be_used(secure, tmp_path, capsys):
    """It is named."""
    (tmp_path / "cert.pem").write_text("nothing")
    with pytest.raises(typer.Exit):
        trusted("https://192.168.1.10", secure)
    assert "cert.pem" in capsys.readouterr().err
