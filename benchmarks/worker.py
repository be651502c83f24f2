"""An object in a process of its own, so that the load costs the gateway's interpreter nothing."""

from __future__ import annotations

import multiprocessing
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from types import TracebackType

PATIENCE = 120.0  # s: no call takes longer
_spawning = multiprocessing.get_context("spawn")


class WorkerFailed(Exception):
    """A call in a worker has raised, or took too long."""


class Worker:
    """`Worker(Publishers, ...)` makes a `Publishers` elsewhere; `call` calls a method of it and
    waits.
    """

    def __init__(self, factory: Callable[..., Any], *arguments: Any) -> None:
        self._name = getattr(factory, "__name__", "worker")
        self._link, theirs = _spawning.Pipe()
        self._process = _spawning.Process(
            target=_serve, args=(theirs, factory, arguments), daemon=True
        )
        self._process.start()
        theirs.close()
        self.result()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.close()  # it ends by itself
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def start(self, method: str, *arguments: Any) -> None:
        """Call a method and go on; `result` gives what it returned."""
        self._link.send((method, arguments))

    def result(self, patience: float = PATIENCE) -> Any:
        """Return what the last started method returned; raises `WorkerFailed`."""
        if not self._link.poll(patience):
            raise WorkerFailed(f"{self._name} took more than {patience:.0f} s")
        try:
            failure, result = self._link.recv()
        except EOFError:
            raise WorkerFailed(f"{self._name} has ended") from None
        if failure is not None:
            raise WorkerFailed(f"{self._name}: {failure}")
        return result

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method and return what it returns."""
        self.start(method, *arguments)
        return self.result()


def _serve(link: Connection, factory: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        served = _answer(link, lambda: factory(*arguments))
        while True:
            method, given = link.recv()
            _answer(link, lambda: getattr(served, method)(*given))  # noqa: B023 - called at once
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return


def _answer(link: Connection, call: Callable[[], Any]) -> Any:
    """Run a call and tell how it went; the object itself stays here."""
    try:
        result = call()
    except Exception:
        link.send((traceback.format_exc(), None))
        return None
    link.send(
        (None, result if isinstance(result, int | float | str | tuple | list | dict) else None)
    )
    return result
