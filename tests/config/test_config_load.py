"""Loading a file: defaults, types, paths, and files that cannot be loaded."""

import tomllib
from pathlib import Path

import pytest

from gateway import config
from gateway.config import ConfigError
from gateway.config.load import build

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a config file that a test writes."""
    return tmp_path / "gateway.toml"


def problems(file: Path, environ: dict[str, str] | None = None) -> list[str]:
    """Load a file that is wrong; the problems without the directory in front."""
    with pytest.raises(ConfigError) as caught:
        config.load(file, environ or {})
    assert str(caught.value) == caught.value.problems[0]
    return [line.replace(f"{file.parent}/", "") for line in caught.value.problems]


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file every setting has the contract's default."""
    monkeypatch.chdir(tmp_path)
    loaded = config.load(None, {})
    assert (loaded.mqtt.host, loaded.mqtt.port, loaded.mqtt.tls) == ("0.0.0.0", 1883, None)
    assert (loaded.http.host, loaded.http.port, loaded.http.tls) == ("0.0.0.0", 8080, None)
    assert loaded.broker.engine == "embedded"
    assert (loaded.store.path, loaded.store.durability) == (tmp_path / "data/gateway.db", "full")
    assert (loaded.history.keep, loaded.history.max_size) == (90 * 86400, 4 << 30)
    limits = loaded.limits
    assert (limits.connections, limits.packet_size, limits.messages_per_second) == (
        10_000,
        262_144,
        0,
    )
    access = loaded.access
    assert (access.device_to_device, access.sign_up, access.claim_code) == ("owner", "invite", None)
    assert loaded.presence.http_timeout == 300
    assert (loaded.handlers.modules, loaded.routes, loaded.rules) == ((), (), ())
    assert (loaded.log.level, loaded.log.format) == ("info", "text")
    assert loaded.bridges.iotio.anonymous is False
    assert loaded.directory == tmp_path


def test_file_of_the_working_directory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --config, gateway.toml of the working directory is read."""
    file.write_text("[http]\nport = 0\n")
    monkeypatch.chdir(file.parent)
    assert config.load(None, {}).http.port == 0


def test_own_file_says_the_defaults() -> None:
    """The gateway.toml of the project holds every table's defaults, so that what it says is what is
    so.
    """
    file = ROOT / "gateway.toml"
    assert config.load(file, {}) == build({}, {}, file)
    said = tomllib.loads(file.read_text())
    for key in config.reference():
        if key.default not in ("none", "required") and key.variable and "tls" not in key.table:
            table = said
            for part in key.table.strip("[]").split("."):
                table = table[part]
            assert key.name in table, key


def test_every_key(file: Path) -> None:
    """Each key is read, and is of its type."""
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (file.parent / name).write_text("PEM")
    file.write_text("""
        mqtt.host = "::1"
        mqtt.port = 1
        mqtt.tls = { cert = "cert.pem", key = "key.pem", port = 2, client_ca = "ca.pem" }
        http = { host = "localhost", port = 3, tls = { cert = "cert.pem", key = "key.pem" } }
        store = { path = "/var/lib/gateway.db", durability = "normal" }
        history = { keep = "1h30m", max_size = "10MB" }
        limits = { connections = 5, packet_size = "1KB", messages_per_second = 20 }
        access = { device_to_device = "none", sign_up = "open", claim_code = "let me in" }
        presence = { http_timeout = 90 }
        handlers = { modules = ["thermostat", "house.lights"] }
        log = { level = "debug", format = "json" }
        bridges.iotio.anonymous = true
        [broker]
        engine = "external"
        url = "mqtts://broker.example"
        username = "gateway"
        password = "hunter2"
        tls = { ca = "ca.pem", cert = "cert.pem", key = "key.pem" }
        [[routes]]
        topic = "tele/{device}/SENSOR"
        decode = "json"
        retain = false
        channel = "sensor"
        device = "one"
    """)
    loaded = config.load(file, {})
    tls = loaded.mqtt.tls
    assert tls is not None
    assert (tls.cert, tls.key, tls.port) == (file.parent / "cert.pem", file.parent / "key.pem", 2)
    assert tls.client_ca == file.parent / "ca.pem"
    assert loaded.http.tls is not None
    assert loaded.http.tls.cert == file.parent / "cert.pem"
    assert loaded.store.path == Path("/var/lib/gateway.db")
    assert (loaded.history.keep, loaded.history.max_size) == (5400, 10 << 20)
    assert (loaded.limits.packet_size, loaded.presence.http_timeout) == (1024, 90)
    assert loaded.access.claim_code == "let me in"
    assert loaded.handlers.modules == ("thermostat", "house.lights")
    assert loaded.bridges.iotio.anonymous is True
    assert (loaded.broker.url, loaded.broker.username) == ("mqtts://broker.example", "gateway")
    assert loaded.broker.tls is not None
    assert loaded.broker.tls.ca == file.parent / "ca.pem"
    (route,) = loaded.routes
    assert (route.topic, route.decode, route.retain) == ("tele/{device}/SENSOR", "json", False)
    assert (route.device, route.channel) == ("one", "sensor")


def test_home(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may start in the home directory."""
    monkeypatch.setenv("HOME", "/home/somebody")
    file.write_text('[store]\npath = "~/gateway.db"')
    assert config.load(file, {}).store.path == Path("/home/somebody/gateway.db")


def test_byte_order_mark(file: Path) -> None:
    """A file saved by a Windows editor is read."""
    file.write_bytes(b"\xef\xbb\xbf[http]\r\nport = 1\r\n")
    assert config.load(file, {}).http.port == 1


def test_secrets_are_not_in_the_repr(file: Path) -> None:
    """A config that ends up in a log line or a traceback tells no secret."""
    file.write_text("""
        access = { claim_code = "very secret" }
        broker = { engine = "external", url = "mqtt://h", username = "u", password = "very secret" }
        [[rules]]
        name = "a"
        filter = "a/b"
        above = 1
        webhook = { url = "http://h/", secret = "very secret text" }
    """)
    loaded = config.load(file, {})
    assert loaded.broker.password == "very secret"
    assert "very secret" not in repr(loaded)


def test_file_missing(file: Path) -> None:
    """A file that --config names must be there."""
    assert problems(file) == ["gateway.toml: no such file"]


def test_file_unreadable(file: Path) -> None:
    """A directory, or a file that may not be read, is one clear line."""
    file.mkdir()
    assert problems(file) == ["gateway.toml: cannot be read: Is a directory"]


def test_not_utf8(file: Path) -> None:
    """A file in another encoding is told from one with wrong syntax."""
    file.write_bytes(b"[http]\nhost = '\xff'")
    assert problems(file) == ["gateway.toml: not UTF-8 text (at byte 15)"]


def test_not_toml(file: Path) -> None:
    """A syntax error names its line."""
    file.write_text("[http]\nport 80\n")
    (problem,) = problems(file)
    assert problem.startswith("gateway.toml: not valid TOML: ")
    assert "line 2" in problem


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_hostile_toml(file: Path, text: str) -> None:
    """Nesting and numbers without measure are refused like any mistake."""
    file.write_text(text)
    assert len(problems(file)) == 1


def test_the_public_address_and_the_origins(file: Path) -> None:
    """They are origins: scheme, host and port, with nothing behind them."""
    file.write_text('[http]\nurl = "https://gateway.example/"\norigins = ["http://localhost:3000"]')
    loaded = config.load(file, {"GATEWAY_HTTP__ORIGINS": "https://a.example, https://b.example"})
    assert loaded.http.url == "https://gateway.example/"
    assert loaded.http.origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize("origin", ["*", "null", "my.app", "https://my.app/", "https://a b"])
def test_what_is_no_origin(file: Path, origin: str) -> None:
    """An origin that a browser would never send is a mistake; all of them at once is not
    offered.
    """
    file.write_text(f'[http]\norigins = ["{origin}"]')
    (problem,) = problems(file)
    assert problem.startswith("gateway.toml: [http] origins: expected a list of origins such as")


def test_the_reverse_proxies(file: Path) -> None:
    """Addresses and networks; a name is none."""
    file.write_text('[http]\nproxies = ["127.0.0.1", "10.0.0.0/8"]')
    assert config.load(file, {}).http.proxies == ("127.0.0.1", "10.0.0.0/8")
    for wrong in ('["proxy.example"]', "[1]", '"127.0.0.1/99"'):
        file.write_text(f"[http]\nproxies = {wrong}")
        (problem,) = problems(file)
        assert "expected a list of addresses or networks such as" in problem


@pytest.mark.parametrize("url", ["gateway.example", "https://a@b", "https://a/path", "ftp://a"])
def test_what_is_no_public_address(file: Path, url: str) -> None:
    """The gateway's pages are at the top of its address."""
    file.write_text(f'[http]\nurl = "{url}"')
    (problem,) = problems(file)
    assert problem.startswith("gateway.toml: [http] url: expected a URL without path such as")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[history]\nkeep = 90d\n", 'put the value in quotes: keep = "90d"'),
        ("[history]\nkeep = 90d # days", 'put the value in quotes: keep = "90d"'),
        ("[log]\nlevel = debug\n", 'put the value in quotes: level = "debug"'),
        ("[mqtt]\nport = 1\n[mqtt]\nhost = 'a'\n", "the table [mqtt] stands here twice"),
        ("[a.b]\n[a.b]\n", "the table [a.b] stands here twice"),
    ],
)
def test_mistakes_of_toml_say_what_is_meant(file: Path, text: str, hint: str) -> None:
    """The commonest two: a value without quotes, a table that is there already."""
    file.write_text(text)
    (problem,) = problems(file)
    assert problem.startswith("gateway.toml: not valid TOML: ")
    assert problem.endswith(f": {hint}")
