"""Every table and key of `gateway.toml`: its type, its default and its help, in this one place."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from gateway.config.complaints import KeyPath, shown
from gateway.config.kinds import (
    Addresses,
    Age,
    BrokerUrl,
    Code,
    ConventionNames,
    Count,
    DiskSize,
    Duration,
    FilePath,
    Host,
    Modules,
    Origins,
    PacketSize,
    Port,
    PublicUrl,
    Rate,
    ReadableFile,
    Secret,
    Switch,
    Text,
)
from gateway.config.rules import Rule
from gateway.config.table import Fault, Table

# Boards are elsewhere on the network: a gateway that listens on loopback alone would be of no use
# to them.
EVERYWHERE = "0.0.0.0"  # noqa: S104  # nosec B104


class MqttTls(Table, frozen=True, kw_only=True):
    """MQTT over TLS, on a port of its own."""

    cert: Annotated[ReadableFile, "certificate with its chain, PEM"]
    key: Annotated[ReadableFile, "private key of the certificate, PEM"]
    port: Annotated[Port, "port for MQTT over TLS"] = 8883
    client_ca: Annotated[
        ReadableFile | None,
        "CA of client certificates, PEM; a device may then sign in with one named after its id",
    ] = None


class Mqtt(Table, frozen=True, kw_only=True):
    """Where devices connect with MQTT. Not used with an external broker."""

    host: Annotated[Host, "address to listen on; `127.0.0.1` for this machine only"] = EVERYWHERE
    port: Annotated[Port, "port for MQTT without TLS; 0 takes a free one"] = 1883
    tls: MqttTls | None = None


class HttpTls(Table, frozen=True, kw_only=True):
    """HTTPS instead of HTTP, on the same port."""

    cert: Annotated[ReadableFile, "certificate with its chain, PEM"]
    key: Annotated[ReadableFile, "private key of the certificate, PEM"]


class Http(Table, frozen=True, kw_only=True):
    """Where browsers, scripts and HTTP devices connect: pages, HTTP, WebSocket and SSE."""

    host: Annotated[Host, "address to listen on; `127.0.0.1` for this machine only"] = EVERYWHERE
    port: Annotated[Port, "port for HTTP; 0 takes a free one"] = 8080
    tls: HttpTls | None = None
    url: Annotated[
        PublicUrl | None,
        "address that links, pages and sketches give; without it, this machine's own",
    ] = None
    origins: Annotated[
        Origins, "web pages elsewhere that may use the API and `/mqtt` with a token"
    ] = ()
    proxies: Annotated[
        Addresses, "reverse proxies whose `X-Forwarded-For` says who asks; its last address counts"
    ] = ()


class BrokerTls(Table, frozen=True, kw_only=True):
    """TLS towards an external broker whose `url` is `mqtts://`."""

    ca: Annotated[
        ReadableFile | None,
        "CA that signed the broker's certificate, PEM; without it, the system's",
    ] = None
    cert: Annotated[
        ReadableFile | None, "certificate of the gateway, PEM, where the broker asks for one"
    ] = None
    key: Annotated[ReadableFile | None, "private key of that certificate, PEM"] = None

    def faults(self) -> Iterator[Fault]:
        """Require certificate and key together."""
        if (self.cert is None) != (self.key is None):
            lone, other = ("cert", "key") if self.key is None else ("key", "cert")
            yield (other,), f"missing; {lone} needs it"


class Broker(Table, frozen=True, kw_only=True):
    """What carries MQTT."""

    engine: Annotated[
        Literal["embedded", "amqtt", "external"],
        "the gateway's own broker, aMQTT inside the gateway, or a broker that runs elsewhere",
    ] = "embedded"
    url: Annotated[BrokerUrl | None, "address of the external broker"] = None
    username: Annotated[Text | None, "user name at the external broker"] = None
    password: Annotated[Secret | None, "password at the external broker"] = None
    tls: BrokerTls | None = None

    def faults(self) -> Iterator[Fault]:
        """Check the settings that only an external broker has."""
        if self.engine != "external":
            for key in ("url", "username", "password", "tls"):
                if getattr(self, key) is not None:
                    yield (key,), f'only for engine = "external", but the engine is "{self.engine}"'
            return
        if self.url is None:
            yield ("url",), 'missing; engine = "external" needs it'
        elif self.tls is not None and not self.url.startswith("mqtts:"):
            yield ("url",), f"expected mqtts:// since there is a tls table, got {shown(self.url)}"
        if self.password is not None and self.username is None:
            yield ("username",), "missing; password needs it"


class Store(Table, frozen=True, kw_only=True):
    """The database: one SQLite file."""

    path: Annotated[FilePath, "file of the database; its directory is made if it is not there"] = (
        Path("data/gateway.db")
    )
    durability: Annotated[
        Literal["full", "normal"],
        '`"normal"` is faster; safe against a crash, not against power loss',
    ] = "full"


class HistoryFor(Table, frozen=True, kw_only=True):
    """Channels whose frames are kept for another time; the first that matches counts."""

    filter: Annotated[Text, "channels, as `device/channel`, with `+` and `#`"]
    keep: Annotated[Age, "age at which their frames are removed"]


class History(Table, frozen=True, kw_only=True):
    """How much of the past is kept: frames, and for longer their minutes, hours and days."""

    keep: Annotated[Age, "age at which frames are removed"] = 90 * 86400.0
    minutes: Annotated[Age, "age at which minutes are removed"] = 365 * 86400.0
    hours: Annotated[Age, "age at which hours are removed"] = inf
    days: Annotated[Age, "age at which days are removed"] = inf
    max_size: Annotated[
        DiskSize,
        "bytes that history uses; above it the oldest frames are removed, then minutes",
    ] = 4 << 30
    exceptions: tuple[HistoryFor, ...] = msgspec.field(name="for", default=())


class Limits(Table, frozen=True, kw_only=True):
    """What one gateway, and one device, may use."""

    connections: Annotated[
        Count, "connections at the same time, on all entrances together; more are refused"
    ] = 10_000
    packet_size: Annotated[PacketSize, "largest MQTT packet, WebSocket message and HTTP body"] = (
        256 << 10
    )
    messages_per_second: Annotated[Rate, "messages per second of one device; 0 is no limit"] = 0


class Access(Table, frozen=True, kw_only=True):
    """Who may do what."""

    device_to_device: Annotated[
        Literal["owner", "none"], "whether a device may send commands to other devices of its owner"
    ] = "owner"
    sign_up: Annotated[
        Literal["invite", "open"], "who may make an account: whom an admin invites, or anyone"
    ] = "invite"
    claim_code: Annotated[
        Code | None,
        "code with which a new board may announce itself and wait for approval; without it, "
        "none can",
    ] = None


class Conventions(Table, frozen=True, kw_only=True):
    """How devices of other makers speak: Tasmota, Zigbee2MQTT, Shelly and so on."""

    enabled: Annotated[
        ConventionNames,
        'conventions that devices may speak: "auto" is all, [] is none',
    ] = ("auto",)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of those that are enabled; None: all."""
        return None if self.enabled == ("auto",) else self.enabled


class Presence(Table, frozen=True, kw_only=True):
    """When a device counts as online."""

    http_timeout: Annotated[
        Duration, "how long a device that only posts over HTTP is online after each post"
    ] = 300.0


class Handlers(Table, frozen=True, kw_only=True):
    """Your own Python that reacts to devices."""

    modules: Annotated[
        Modules,
        Origins,
        "modules to load, by the names you would import; the directory of this file is "
        "searched too",
    ] = ()


class Log(Table, frozen=True, kw_only=True):
    """What the gateway writes about itself."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], "least severity that is written"
    ] = "info"
    format: Annotated[
        Literal["text", "json"], "lines for people, or JSON lines for a log collector"
    ] = "text"


class Iotio(Table, frozen=True, kw_only=True):
    """The bridge for iot.io clients."""

    anonymous: Annotated[
        Switch, "let iot.io devices in without a key; only for a network you trust"
    ] = False


class Things(Table, frozen=True, kw_only=True):
    """The bridge for clients of the IoT REST server."""

    anonymous: Annotated[
        Switch, "let things be made, set and read without a key; only for a network you trust"
    ] = False


class Bridges(Table, frozen=True, kw_only=True):
    """Settings of single bridges."""

    iotio: Iotio = Iotio()
    things: Things = Things()


class Route(Table, frozen=True, kw_only=True):
    """Maps the messages of a topic of your own to frames."""

    topic: Annotated[
        Text, "topic pattern with `{device}`, `{channel}`, `{channel...}` and literals"
    ]
    decode: Annotated[
        Literal[
            "auto",
            "json",
            "text",
            "number",
            "raw",
            "cbor",
            "msgpack",
            "senml",
            "senml-cbor",
            "line",
            "cayenne",
        ],
        "how payloads become values",
    ] = "auto"
    retain: Annotated[
        Switch | None,
        "whether the broker keeps the last message of the topic; without it, as its sender asked",
    ] = None
    device: Annotated[Text | None, "the device, where the pattern has no `{device}`"] = None
    channel: Annotated[Text | None, "the channel, where the pattern has no `{channel}`"] = None


class Settings(Table, frozen=True, kw_only=True):
    """All that `gateway.toml` says."""

    mqtt: Mqtt = Mqtt()
    http: Http = Http()
    broker: Broker = Broker()
    store: Store = Store()
    history: History = History()
    limits: Limits = Limits()
    access: Access = Access()
    presence: Presence = Presence()
    conventions: Conventions = Conventions()
    handlers: Handlers = Handlers()
    log: Log = Log()
    bridges: Bridges = Bridges()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()

    def faults(self) -> Iterator[Fault]:
        """Check what only shows across tables: listeners on one port, rules of one name."""
        for (_, host, port), (place, other_host, other_port) in combinations(self._listeners(), 2):
            hosts = {host, other_host}
            if port == other_port != 0 and (len(hosts) == 1 or hosts & {EVERYWHERE, "::"}):
                yield (
                    place,
                    f"{port} is taken by another listener of this file; give each its own port",
                )
        names = Counter(rule.name for rule in self.rules)
        for number, rule in enumerate(self.rules):
            if names[rule.name] > 1:
                yield (
                    ("rules", number, "name"),
                    f"{shown(rule.name)} names {names[rule.name]} rules; each needs its own",
                )

    def _listeners(self) -> list[tuple[KeyPath, str, int]]:
        listeners: list[tuple[KeyPath, str, int]] = [
            (("http", "port"), self.http.host, self.http.port)
        ]
        if self.broker.engine == "external":
            return listeners
        listeners.append((("mqtt", "port"), self.mqtt.host, self.mqtt.port))
        if self.mqtt.tls is not None:
            listeners.append((("mqtt", "tls", "port"), self.mqtt.host, self.mqtt.tls.port))
        return listeners


class Config(Settings, frozen=True, kw_only=True):
    """The settings of one gateway, each of its final type; paths are absolute."""

    directory: Path
    """Of the config file, else the working directory: where relative paths and handlers start."""

    @classmethod
    def of(cls, settings: Settings, directory: Path) -> "Config":
        """Complete what the file says with where it is."""
        values: dict[str, Any] = {
            name: getattr(settings, name) for name in settings.__struct_fields__
        }
        return cls(**values, directory=directory)
