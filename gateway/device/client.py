"""A device as its program sees it: `send`, `on`, `run`."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from paho.mqtt.client import MQTTv5, MQTTv311

from gateway.backoff import delays
from gateway.device.link import Account, Command, DeviceRefused, Link, VersionRefused, log
from gateway.device.outbox import Outbox
from gateway.device.values import encoded

if TYPE_CHECKING:
    from pathlib import Path

Handler = TypeVar("Handler", bound=Callable[[Any], Any])


class Device:
    """A device of the gateway: sends readings, answers commands, comes back by itself.

    A reading carries the time of its `send` and is kept until the gateway has acknowledged it: up
    to `keep` readings, in memory or, with `path`, in a file that outlives the program. `retry`
    bounds the seconds between two attempts to connect. `tls` is True, or a context of your own;
    `ca_file` names the certificate authority to trust, and implies TLS.
    """

    def __init__(
        self,
        device_id: str,
        key: str,
        host: str = "localhost",
        *,
        port: int | None = None,
        tls: bool | ssl.SSLContext = False,
        ca_file: str | Path | None = None,
        keep: int = 10_000,
        path: str | Path | None = None,
        keepalive: int = 30,
        retry: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        context = _tls_context(tls, ca_file)
        self.id = device_id
        self.host = host
        self.port = port or (8883 if context else 1883)
        self._account = Account(device_id, key, host, self.port, context, keepalive)
        self._outbox = Outbox(keep, path)
        self._handlers: dict[str, Callable[[Any], Any]] = {}
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Command, bytes | None]] = queue.SimpleQueue()
        self._bell: _Bell | None = None  # there while somebody waits
        self._version = MQTTv5
        self._retry = retry
        self._link: Link | None = None
        self._refusal: DeviceRefused | None = None
        self._io: threading.Thread | None = None
        self._worker: threading.Thread | None = None
        self._settled = threading.Event()  # the first attempt to connect is over
        self._stopping = threading.Event()
        self._flush_until = 0.0

    @property
    def connected(self) -> bool:
        """Whether the gateway has this device signed in now."""
        link = self._link
        return link is not None and link.ready

    @property
    def unsent(self) -> int:
        """How many readings the gateway has not acknowledged yet."""
        return len(self._outbox)

    @property
    def dropped(self) -> int:
        """How many readings were given up: the oldest of a full queue, and those the gateway
        refused.
        """
        return self._outbox.dropped

    def on(self, name: str) -> Callable[[Handler], Handler]:
        """Decorate the function that handles the command `name`.

        It gets the command's value; what it returns, if not None, is the reply. Handlers run one at
        a time, in the order of the commands, on a thread of their own. An exception is logged, and
        there is no reply.
        """

        def register(handler: Handler) -> Handler:
            self._handlers[name] = handler
            return handler

        return register

    @overload
    def send(self, channel: str, value: Any, *, ts: int | None = None) -> None: ...
    @overload
    def send(self, channel: Mapping[str, Any], *, ts: int | None = None) -> None: ...

    def send(
        self, channel: str | Mapping[str, Any], value: Any = None, *, ts: int | None = None
    ) -> None:
        """Send one value of one channel, or values of several that were measured together.

        Never waits for the network. `ts` is the time of measurement in milliseconds since 1970 UTC,
        now unless given. Raises TypeError for what JSON cannot hold, DeviceRefused once the gateway
        has refused this device.
        """
        values = {channel: value} if isinstance(channel, str) else dict(channel)
        ts = time.time_ns() // 1_000_000 if ts is None else ts
        if not self._outbox.put(encoded({"ts": ts, "values": values})):
            raise self._refusal or RuntimeError(f"device {self.id!r} is stopped")
        self._ring()

    def run(self) -> None:
        """Serve until `stop`, reconnecting as often as needed; raises DeviceRefused for a wrong id
        or key.
        """
        self._worker = threading.Thread(target=self._work, name=f"{self.id}-handlers", daemon=True)
        self._worker.start()
        self._bell = _Bell()
        try:
            self._serve(self._bell)
        except DeviceRefused as refusal:
            self._refusal = refusal
            raise
        finally:
            self._end(self._bell)

    def start(self) -> None:
        """Serve in the background; returns when the first attempt to connect has succeeded or
        failed.

        Raises DeviceRefused for a wrong id or key. A gateway that cannot be reached is no error:
        the attempts go on, and readings are kept.
        """
        self._io = threading.Thread(target=self._run_aside, name=f"{self.id}-mqtt", daemon=True)
        self._io.start()
        self._settled.wait()
        if self._refusal is not None:
            raise self._refusal

    def stop(self, flush: float = 5.0) -> None:
        """Say goodbye, after at most `flush` seconds for what is unsent and for handlers at work.

        While the gateway is out of reach there is no wait. A stopped device is finished: make a new
        one to go on. Raises DeviceRefused if the gateway has refused this device.
        """
        self._flush_until = time.monotonic() + flush
        self._stopping.set()
        self._ring()
        if self._io is None or threading.current_thread() in (self._io, self._worker):
            return  # run() ends by itself; a handler must not wait for its own end
        self._io.join()
        if self._refusal is not None:
            raise self._refusal

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.ring()

    def _run_aside(self) -> None:
        try:
            self.run()
        except DeviceRefused as refusal:
            log.error("%s", refusal)

    def _end(self, bell: _Bell) -> None:
        if self.unsent:
            log.warning("device %s stops with %d readings unsent", self.id, self.unsent)
        self._commands.put(None)
        self._outbox.close()
        bell.close()
        self._settled.set()

    def _serve(self, bell: _Bell) -> None:
        waits = delays(*self._retry)
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._stay_connected(bell)
            except VersionRefused:
                self._version = MQTTv311  # every broker speaks this; replies go by name only
                continue
            except OSError as problem:
                if isinstance(problem, TimeoutError):
                    # Refusing version 5 takes reading it; amqtt, for one, waits for bytes that
                    # never come.
                    self._version = MQTTv311 if self._version == MQTTv5 else MQTTv5
                # A connection that held for a while was a good one; a short one was another
                # failure, as when two programs with the same id push each other out.
                if time.monotonic() - began > self._retry[1]:
                    waits = delays(*self._retry)
                self._pause(next(waits), str(problem))

    def _pause(self, seconds: float, problem: str) -> None:
        log.warning("device %s is offline (%s); next attempt in %.1f s", self.id, problem, seconds)
        self._settled.set()
        self._stopping.wait(seconds)

    def _stay_connected(self, bell: _Bell) -> None:
        link = Link(self._account, self._version, self._outbox, self._commands.put)
        try:
            link.open()
            self._link = link
            while not self._may_leave(link):
                link.step(bell.waiting)
                bell.hush()
                self._pass_on_answers()
                if link.ready:
                    self._settled.set()
        finally:
            self._link = None
            link.close()

    def _may_leave(self, link: Link) -> bool:
        if not self._stopping.is_set():
            return False
        done = not self._outbox and link.idle
        return not link.ready or done or time.monotonic() > self._flush_until

    def _pass_on_answers(self) -> None:
        while not self._answers.empty():
            command, reply = self._answers.get_nowait()
            command.link.answer(
                command, reply
            )  # which goes nowhere if that link is lost: the command comes again

    def _work(self) -> None:
        while (command := self._commands.get()) is not None:
            if command.link.lost:
                continue  # never acknowledged: the gateway sends it again
            self._answers.put((command, self._handle(command)))
            self._ring()

    def _handle(self, command: Command) -> bytes | None:
        handler = self._handlers.get(command.name)
        if handler is None:
            log.warning("device %s has no handler for the command %r", self.id, command.name)
            return None
        try:
            reply = handler(command.value)
            return None if reply is None else encoded(reply)
        except Exception:
            log.exception("the handler of the command %r failed on %r", command.name, command.value)
            return None


class _Bell:
    """Wakes the thread that waits for the network, from any other."""

    def __init__(self) -> None:
        self.waiting, self._ringing = socket.socketpair()
        self.waiting.setblocking(False)
        self._ringing.setblocking(False)

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it rings already; closed: nobody waits any more
            self._ringing.send(b"\0")

    def hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.waiting.recv(4096)

    def close(self) -> None:
        self.waiting.close()
        self._ringing.close()


def _tls_context(tls: bool | ssl.SSLContext, ca_file: str | Path | None) -> ssl.SSLContext | None:
    if isinstance(tls, ssl.SSLContext):
        return tls
    if tls or ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    return None
