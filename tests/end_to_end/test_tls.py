"""TLS for MQTT and HTTP: versions, renewal, client certificates, and files that do not fit."""

from __future__ import annotations

import asyncio
import ssl
import sys
import warnings
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
from mqtt_wire import Wire

from tests.end_to_end.conftest import House, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]


@dataclass
class Secure:
    """A house that speaks TLS on both ports; `ca` made its certificate, `board_ca` those of its
    devices.
    """

    home: House
    ca: trustme.CA
    board_ca: trustme.CA
    directory: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.home.gateway.ports['http']}"

    def client(self, ca: trustme.CA | None = None, **identity: Any) -> ssl.SSLContext:
        """Return the context of a client that trusts the gateway; `identity`: the CA and name it
        shows.
        """
        context = ssl.create_default_context()
        (ca or self.ca).configure_trust(context)
        if identity:
            shown = identity["by"].issue_cert(
                f"{identity['name']}.example", common_name=identity["name"]
            )
            shown.configure_cert(context)
        return context

    async def mqtts(self, context: ssl.SSLContext | None = None) -> Wire:
        return await Wire.tcp(self.home.gateway.ports["mqtts"], context or self.client())

    async def serial(self, port: str) -> int:
        """Return the serial number of the certificate that a new connection sees."""
        _, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.home.gateway.ports[port],
            ssl=self.client(),
            server_hostname="localhost",
        )
        shown = writer.get_extra_info("peercert")
        writer.close()
        return int(shown["serialNumber"], 16)


def write(directory: Path, certificate: trustme.LeafCert) -> dict[str, str]:
    """Write a certificate and its key where the config looks for them."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return {"cert": str(cert), "key": str(key)}


@asynccontextmanager
async def secured(directory: Path, engine: str = "embedded") -> AsyncIterator[Secure]:
    """Run a gateway with TLS."""
    ca, board_ca = trustme.CA(), trustme.CA()
    files = write(directory, ca.issue_cert("localhost", "127.0.0.1"))
    board_ca.cert_pem.write_to_path(str(directory / "boards.pem"))
    listen = {"host": "127.0.0.1", "port": 0}
    mqtt = {**listen, "tls": {**files, "port": 0, "client_ca": str(directory / "boards.pem")}}
    async with house(
        directory, broker={"engine": engine}, mqtt=mqtt, http={**listen, "tls": files}
    ) as home:
        await home.add("kitchen")
        yield Secure(home, ca, board_ca, directory)


@pytest.fixture(params=["embedded", "amqtt"])
async def secure(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Secure]:
    """A house with TLS, once for each engine."""
    async with secured(tmp_path, request.param) as here:
        yield here


def _version(secure: Secure) -> int:
    return 4 if secure.home.protocol == 4 else 5


async def test_mqtt_and_http_over_tls(secure):
    """A device publishes over MQTT with TLS, and a script reads it over HTTPS; the cookie is for
    HTTPS alone.
    """
    context = secure.client()
    async with await Wire.tcp(
        secure.home.gateway.ports["mqtts"], context, version=_version(secure)
    ) as device:
        assert await device.sign_in("kitchen", secure.home.keys["kitchen"]) == 0
        assert await device.publish("devices/kitchen/telemetry/x", b"7") == 0
    async with secure.home.http.get(
        f"{secure.url}/api/v1/devices/kitchen/latest", ssl=context
    ) as answer:
        assert (await answer.json())["x"]["value"] == 7
        assert "max-age" in answer.headers["Strict-Transport-Security"]


async def test_the_cookie_is_for_https_alone(secure):
    """Behind TLS the session's cookie is marked Secure, HttpOnly and SameSite."""
    made = {"email": "ann@example.com", "password": "long enough"}
    context = secure.client()
    async with secure.home.http.post(
        f"{secure.url}/api/v1/invitations", ssl=context, json={}
    ) as answer:
        invitation = (await answer.json())["invitation"]
    body = {**made, "invitation": invitation}
    async with secure.home.http.post(
        f"{secure.url}/api/v1/users", ssl=context, json=body
    ) as answer:
        assert answer.status == 201
    async with secure.home.http.post(
        f"{secure.url}/api/v1/login", ssl=context, json=made
    ) as answer:
        marks = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")}
        assert {"secure", "httponly", "samesite=lax"} <= marks


@pytest.mark.parametrize("port", ["mqtts", "http"])
async def test_old_versions_are_refused(secure, port):
    """A client that knows nothing newer than TLS 1.1 is refused; 1.2 is let in."""
    old, new = secure.client(), secure.client()
    new.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    number = secure.home.gateway.ports[port]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", number, ssl=old, server_hostname="localhost")
    _, writer = await asyncio.open_connection(
        "127.0.0.1", number, ssl=new, server_hostname="localhost"
    )
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
    writer.close()


async def test_a_client_that_knows_another_ca_does_not_connect(secure):
    """The gateway's certificate is what its CA signed: a client with another CA refuses it."""
    with pytest.raises(ssl.SSLCertVerificationError):
        await secure.mqtts(secure.client(trustme.CA()))


async def test_a_certificate_is_renewed_without_dropping_anybody(secure):
    """After a reload new connections see the new certificate, and those that are open go on."""
    version, context = _version(secure), secure.client()
    async with (
        await Wire.tcp(secure.home.gateway.ports["mqtts"], context, version=version) as device,
        secure.home.http.ws_connect(f"{secure.url}/api/v1/ws", ssl=context) as socket,
    ):
        assert await device.sign_in("kitchen", secure.home.keys["kitchen"]) == 0
        await socket.receive_json(timeout=5)
        before = {port: await secure.serial(port) for port in ("mqtts", "http")}
        write(secure.directory, secure.ca.issue_cert("localhost", "127.0.0.1"))
        secure.home.gateway.reload()
        after = {port: await secure.serial(port) for port in ("mqtts", "http")}
        assert len({*before.values(), *after.values()}) == 2
        assert before["mqtts"] != after["mqtts"]
        assert await device.publish("devices/kitchen/telemetry/x") == 0
        await socket.send_json({"type": "ping"})
        assert await socket.receive_json(timeout=5) == {"type": "pong"}


async def test_a_broken_renewal_changes_nothing(secure, caplog):
    """Files that do not fit are logged, and the certificate stays as it was."""
    before = await secure.serial("mqtts")
    (secure.directory / "key.pem").write_text("no key")
    secure.home.gateway.reload()
    assert await secure.serial("mqtts") == before
    assert "the certificate stays as it was" in caplog.text


async def test_a_device_signs_in_with_its_certificate(secure):
    """The name in a certificate of the boards' CA is the device's id; no key is needed, and others
    stay closed.
    """
    version = _version(secure)
    port = secure.home.gateway.ports["mqtts"]
    context = secure.client(by=secure.board_ca, name="kitchen")
    async with await Wire.tcp(port, context, version=version) as device:
        assert await device.sign_in("kitchen", None, "board") == 0
        assert await device.publish("devices/kitchen/telemetry/x") == 0
    async with await Wire.tcp(port, context, version=version) as device:
        assert await device.sign_in("attic", None, "board") != 0
    context = secure.client(by=secure.board_ca, name="unknown")
    async with await Wire.tcp(port, context, version=version) as device:
        assert await device.sign_in("unknown", None, "board") != 0


async def test_a_certificate_of_another_ca_is_refused(secure):
    """A certificate that somebody else has signed ends the handshake, whatever name it bears."""
    context = secure.client(by=trustme.CA(), name="kitchen")
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        async with await Wire.tcp(
            secure.home.gateway.ports["mqtts"], context, version=_version(secure)
        ) as device:
            await device.sign_in("kitchen", None, "board")


async def test_plain_http_is_no_way_in(secure):
    """Nobody speaks plain HTTP on the port of HTTPS."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(secure.url.replace("https", "http") + "/healthz")


@pytest.mark.parametrize("table", ["mqtt", "http"])
async def test_files_that_do_not_fit_stop_the_start(tmp_path, table):
    """A certificate with another one's key: one line, exit status 2."""
    ca = trustme.CA()
    files = write(tmp_path, ca.issue_cert("localhost"))
    (tmp_path / "key.pem").write_bytes(ca.issue_cert("localhost").private_key_pem.bytes())
    tls = f'[{table}.tls]\ncert = "{files["cert"]}"\nkey = "{files["key"]}"\n'
    config = tmp_path / "gateway.toml"
    config.write_text(f'[store]\npath = "gateway.db"\n[mqtt]\nport = 0\n[http]\nport = 0\n{tls}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run", "--config", str(config),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        _, said = await process.communicate()
    assert process.returncode == 2
    (line,) = said.decode().splitlines()
    assert f"[{table}.tls]" in line
    assert "cert.pem" in line
