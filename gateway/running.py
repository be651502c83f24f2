"""The running gateway of a database: one at the most, where it listens, and what it has read.

Two gateways on one file would give out the same seq twice. The lock file beside the database is
held while one runs. It says on which ports, which file is the database, and up to which revision
the gateway has read the registry.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import Conflict
from gateway.frames import to_json
from gateway.inodes import inode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 4096  # bytes of the lock file, written at once: no reader meets half of it
PATIENCE = 1.0  # s; a command that looks whether a gateway runs holds the lock for a moment


class Whereabouts(msgspec.Struct):
    """Where a gateway listens: its URL on this machine, the one that links give, and its ports by
    name. `revision`: how far it has read the registry. `database`: device and inode of its file.
    """

    url: str
    public_url: str
    ports: dict[str, int]
    revision: int = 0
    database: tuple[int, int] | None = None


class Lock:
    """The lock that a running gateway holds."""

    def __init__(self, descriptor: int, database: Path) -> None:
        self._descriptor = descriptor
        self._database = database
        self._where: Whereabouts | None = None

    def tell(self, where: Whereabouts) -> None:
        """Let other processes know where this gateway listens."""
        where.database = inode(self._database)
        self._where = where
        self._write()

    def read_upto(self, revision: int) -> None:
        """Let other processes know that what they wrote up to this revision is in effect."""
        if self._where is not None and self._where.revision != revision:
            self._where.revision = revision
            self._write()

    def _write(self) -> None:
        os.pwrite(self._descriptor, to_json(self._where).encode().ljust(SIZE), 0)


@contextmanager
def alone(database: Path) -> Iterator[Lock]:
    """Hold the database for this process; raises `Conflict` where another gateway does, or no file
    can be made.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(_lock_file(database), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Conflict(
            f"{database}: cannot write to {database.parent}: {error.strerror}:"
            " look at its owner and permissions, and whether its disk is read-only"
        ) from error
    try:
        os.fchmod(descriptor, 0o600)  # who can open it could hold it
        if not _taken_in_time(descriptor):
            raise Conflict(f"{database}: another gateway is running on this database")
        _demand_one_name(database)
        os.ftruncate(descriptor, 0)
        yield Lock(descriptor, database)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def whereabouts(database: Path) -> Whereabouts | None:
    """Return where the gateway on this database listens, or None where none runs."""
    try:
        descriptor = os.open(_lock_file(database), os.O_RDONLY)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Conflict(
            f"{error.filename}: {error.strerror}: run this as the gateway's user"
        ) from error
    try:
        if _taken(descriptor):
            return None
        return msgspec.json.decode(os.pread(descriptor, SIZE, 0), type=Whereabouts)
    except msgspec.DecodeError:  # it is just starting
        return None
    finally:
        os.close(descriptor)


def _lock_file(database: Path) -> Path:
    """Name the lock by the file itself: a symbolic link is no second database."""
    real = database.resolve()
    return real.with_name(real.name + ".lock")


def _demand_one_name(database: Path) -> None:
    if database.exists() and database.stat().st_nlink > 1:
        raise Conflict(
            f"{database}: the file has a second name (a hard link), under which another gateway"
            " could open it and damage it: copy it to a file of its own"
        )


def _taken_in_time(descriptor: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not _taken(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _taken(descriptor: int) -> bool:
    """Try to hold the lock until the file is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
