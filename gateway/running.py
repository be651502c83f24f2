"""The running gateway of a database: one at the most, and where it listens.

Two gateways on one file would give out the same seq twice. The lock file beside the database is
held while one runs, and says on which ports.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import msgspec

from gateway.errors import Conflict
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Whereabouts(msgspec.Struct):
    """Where a gateway listens: its URL on this machine, the one that links give, and its ports by
    name.
    """

    url: str
    public_url: str
    ports: dict[str, int]


class Lock:
    """The lock that a running gateway holds."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def tell(self, where: Whereabouts) -> None:
        """Let other processes know where this gateway listens."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(to_json(where))
        self._file.flush()


@contextmanager
def alone(database: Path) -> Iterator[Lock]:
    """Hold the database for this process; raises `Conflict` where another gateway does, or no file
    can be made.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        file = _lock_file(database).open("a+")
    except OSError as error:
        raise Conflict(
            f"{database}: cannot write to {database.parent}: {error.strerror}: look at its owner and permissions, "
            "and whether its disk is read-only"
        ) from error
    with file:
        if not _taken(file):
            raise Conflict(f"{database}: another gateway is running on this database")
        lock = Lock(file)
        yield lock
        file.truncate(0)


def whereabouts(database: Path) -> Whereabouts | None:
    """Return where the gateway on this database listens, or None where none runs."""
    try:
        with _lock_file(database).open("r+") as file:
            if _taken(file):
                return None
            return msgspec.json.decode(file.read(), type=Whereabouts)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _lock_file(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _taken(file: TextIO) -> bool:
    """Try to hold the lock until the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
