"""The database file: transactions, threads, migrations, and everything that can be wrong with a
file.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway import intake as intakes
from gateway.catalog import Catalog
from gateway.errors import StoreError, Unavailable
from gateway.frames import Entry
from gateway.intake import Intake
from gateway.store.facts import Fact
from gateway.store.sqlite import batch, history
from gateway.store.sqlite.database import (
    READERS,
    Database,
    DatabaseError,
    Durability,
    migrations,
    open_sync,
    transaction,
)
from gateway.valve import Valve

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An open, empty database."""
    database = await Database.open(tmp_path / "data" / "a.db")
    yield database
    await database.close()


def rows(db: sqlite3.Connection) -> int:
    """Return how many frames there are."""
    return int(db.execute("SELECT count(*) FROM frames").fetchone()[0])


def add(db: sqlite3.Connection, seq: int) -> None:
    """Write one frame of no series in particular."""
    db.execute("INSERT INTO frames VALUES (?, 1, 1, '1', '')", (seq,))


async def test_opens_anew_and_again(tmp_path: Path) -> None:
    """The folder and the file are made; the second start finds the same epoch."""
    path = tmp_path / "new" / "folder" / "a.db"
    epochs = set()
    for _ in range(2):
        database = await Database.open(path)
        epochs.add((await database.read(history.opened)).epoch)
        assert await database.read(lambda db: db.execute("PRAGMA journal_mode").fetchone()) == (
            "wal",
        )
        await database.close()
    assert len(epochs) == 1
    assert len(epochs.pop()) == 16


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)])
async def test_durability(tmp_path: Path, durability: Durability, synchronous: int) -> None:
    """The writer waits for the disk with every commit where the config says so."""
    database = await Database.open(tmp_path / "a.db", durability=durability)
    assert await database.write(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (
        synchronous,
    )
    await database.close()


async def test_a_write_is_one_transaction(database: Database) -> None:
    """All of it or nothing, and the connection is good for the next one."""

    def half(db: sqlite3.Connection) -> None:
        add(db, 1)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await database.write(half)
    assert await database.read(rows) == 0
    await database.write(lambda db: add(db, 1))
    assert await database.read(rows) == 1


async def test_readers_only_read(database: Database) -> None:
    """Both readers refuse to write, and go on."""
    for _ in range(3):
        with pytest.raises(StoreError, match="readonly"):
            await database.read(lambda db: add(db, 1))
    assert await database.read(rows) == 0


async def test_a_read_is_one_snapshot(database: Database) -> None:
    """What is committed while a read is under way does not show in it, but does in the next."""
    other = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)

    def twice(db: sqlite3.Connection) -> tuple[int, int]:
        before = rows(db)
        add(other, 1)
        return before, rows(db)

    assert await database.read(twice) == (0, 0)
    assert await database.read(rows) == await database.read(rows) == 1
    other.close()


async def test_upkeep_waits_for_its_turn(database: Database) -> None:
    """A slice of upkeep and a batch of the writer never meet: neither sees a locked database."""

    async def many(first: int, *, upkeep: bool) -> None:
        for seq in range(first, first + 50):
            if upkeep:
                await database.maintain(lambda db, seq=seq: add(db, seq), writing=True)
            else:
                await database.write(lambda db, seq=seq: add(db, seq))

    await asyncio.gather(many(1, upkeep=True), many(101, upkeep=False))
    assert await database.read(rows) == 100


async def test_a_cancelled_write_leaves_the_connection_whole(database: Database) -> None:
    """Who stops waiting for a write does not stop the write, nor the next one."""
    task = asyncio.create_task(database.write(lambda db: add(db, 1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await database.write(lambda db: add(db, 2))
    assert await database.read(rows) == 2


def test_transaction_rolls_back(tmp_path: Path) -> None:
    """The command line's transactions are all or nothing too."""
    db = open_sync(tmp_path / "a.db")

    def half() -> None:
        with transaction(db):
            add(db, 1)
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with transaction(db):
        add(db, 1)
    assert (rows(db), db.in_transaction) == (1, False)
    db.close()


def test_everybody_at_once(tmp_path: Path) -> None:
    """Gateway and command line may make the same new file at the same time."""
    for number in range(5):
        path = tmp_path / f"{number}.db"
        with ThreadPoolExecutor(8) as pool:
            for db in list(pool.map(open_sync, [path] * 8)):
                assert history.newest(db) == 0
                db.close()


def test_migrations_are_numbered() -> None:
    """Each migration leads from the version before it to its own."""
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails leaves the file as it was; mended, it goes on from there."""
    path = tmp_path / "a.db"
    newest = len(migrations())
    open_sync(path).close()
    broken = (
        newest + 1,
        "CREATE TABLE one (a);\nCREATE TRIGGER t AFTER INSERT ON one BEGIN SELECT 1; END;\nNO;\n",
    )
    steps = [*migrations(), broken]
    monkeypatch.setattr("gateway.store.sqlite.database.migrations", lambda: steps)
    with pytest.raises(DatabaseError, match="NO"):
        open_sync(path)
    steps[-1] = (broken[0], broken[1].replace("NO;", "CREATE TABLE two (a);"))
    db = open_sync(path)
    assert db.execute("PRAGMA user_version").fetchone() == (newest + 1,)
    assert db.execute(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('one', 'two', 't')"
    ).fetchone() == (3,)
    db.close()


async def opening_fails(path: Path, why: str) -> None:
    """Both ways of opening say the same: the file and what is wrong with it."""
    before = path.read_bytes() if path.is_file() else b""
    for attempt in (Database.open, asyncio.to_thread):
        with pytest.raises(DatabaseError, match=why) as caught:
            await (
                attempt(path) if attempt is Database.open else asyncio.to_thread(open_sync, path)
            )
        assert str(path) in str(caught.value)
    assert before == (path.read_bytes() if path.is_file() else b"")


async def test_no_database(tmp_path: Path) -> None:
    """A file of something else is left as it is."""
    path = tmp_path / "a.db"
    path.write_bytes(b"this is a diary, not a database. " * 100)
    await opening_fails(path, "not a database")


async def test_another_programs_database(tmp_path: Path) -> None:
    """Somebody else's SQLite file does not get our tables."""
    path = tmp_path / "a.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name)")
    other.execute("PRAGMA journal_mode=WAL")
    other.close()
    await opening_fails(path, "another program")


async def test_a_newer_database(tmp_path: Path) -> None:
    """A database of a later gateway is refused, not damaged."""
    path = tmp_path / "a.db"
    db = open_sync(path)
    db.execute("PRAGMA user_version=9999")
    db.close()
    await opening_fails(path, "newer gateway .schema 9999")


async def test_a_folder_or_beneath_a_file(tmp_path: Path) -> None:
    """A path that can be no file is said to be none."""
    await opening_fails(tmp_path, "cannot open the database")
    (tmp_path / "file").write_text("x")
    await opening_fails(tmp_path / "file" / "a.db", "cannot open|cannot write")


async def test_the_registry_waits_for_no_query(tmp_path: Path) -> None:
    """However long the readers of history work, what was revoked is known at once."""
    database = await Database.open(tmp_path / "a.db", durability="normal")
    go_on = threading.Event()
    reading = [
        asyncio.create_task(database.read(lambda db: go_on.wait(20))) for _ in range(2 * READERS)
    ]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(database.follow(lambda db: 1), 10) == 1
    assert not any(task.done() for task in reading)
    go_on.set()
    await asyncio.gather(*reading)
    await database.close()


async def test_a_query_that_takes_too_long_is_ended(database: Database) -> None:
    """It says what to do, others have the connection, and it is as good as before."""
    endless = (
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )

    def for_ever(db: sqlite3.Connection) -> None:
        db.execute(endless).fetchone()

    for _ in range(READERS):
        with pytest.raises(StoreError, match=r"longer than 0.01 s to read: ask for a shorter time"):
            await database.read(for_ever, seconds=0.01)
    for _ in range(READERS):
        assert await database.read(rows, seconds=60) == 0


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder, and no privileges while the test runs: root may write everywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        user = os.geteuid()
        if user != 0:
            yield folder
            folder.chmod(0o755)
            return
        open_sync(folder / "a.db").close()
        os.chown(folder, 65534, -1)
        os.chown(folder / "a.db", 65534, -1)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_read_only(nobody: Path, what: str) -> None:
    """A file or folder that cannot be written to is a clear error at the start, and mended by
    permission.
    """
    path = nobody / "a.db"
    open_sync(path).close()
    place = path if what == "file" else nobody
    place.chmod(0o555)
    with pytest.raises(DatabaseError, match=f"cannot write to {place}:"):
        open_sync(path)
    place.chmod(0o755)
    open_sync(path).close()


@asynccontextmanager
async def gateway_core(database: Database) -> AsyncIterator[tuple[Intake, Catalog, list[int]]]:
    """The way in on a real database: intake, catalog, and the seqs that were shown."""
    opened = await database.read(history.opened)
    catalog = Catalog(opened)
    shown: list[int] = []

    async def commit(seq: int, entries: Sequence[Entry], facts: Sequence[Fact]) -> None:
        await database.write(lambda db: batch.append(db, seq, entries, facts))

    def publish(first: int, entries: Sequence[Entry]) -> None:
        shown.extend(range(first, first + len(entries)))

    intake = Intake(
        seq=opened.seq,
        commit=commit,
        publish=publish,
        unsaved=catalog.take_unsaved,
        valve=Valve(),
    )
    task = asyncio.create_task(intake.run())
    yield intake, catalog, shown
    intake.close()
    await asyncio.wait_for(task, 20)


async def test_full_disk(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own refusal: nothing is shown or acknowledged, and when there is room it goes on by
    itself.
    """
    monkeypatch.setattr(intakes, "RETRY_FIRST", 0.001)
    monkeypatch.setattr(intakes, "RETRY_LAST", 0.01)
    async with gateway_core(database) as (intake, catalog, shown):
        await intake.store([(catalog.series("telemetry", "k", "a"), 1, "1", "")])
        pages = await database.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await database.write(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchone())
        large = [(catalog.series("telemetry", "k", "b"), 1, f'"{"x" * 1000}"', "")] * 100
        storing = asyncio.create_task(intake.store(large))
        while intake.refusal is None:
            await asyncio.sleep(0.001)
        assert "full" in intake.refusal
        assert shown == [1]
        assert await database.read(rows) == 1
        await database.write(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchone())
        with pytest.raises(Unavailable, match="full"):
            await storing  # it was told at once; what it handed in was taken all the same
        while intake.refusal is not None:
            await asyncio.sleep(0.001)
    assert shown == list(range(1, 102))
    assert await database.read(rows) == 101
    assert [row[3] for row in (await database.read(history.opened)).series] == ["a", "b"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes, where one can be mounted."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no permission to mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


async def test_really_full_disk(tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a file system that has no room left, and gets some."""
    monkeypatch.setattr(intakes, "RETRY_FIRST", 0.001)
    monkeypatch.setattr(intakes, "RETRY_LAST", 0.01)
    database = await Database.open(tiny_disk / "a.db")
    async with gateway_core(database) as (intake, catalog, shown):
        await intake.store([(catalog.series("telemetry", "k", "a"), 1, "1", "")])
        ballast = tiny_disk / "ballast"
        fill(ballast)
        large = [(catalog.series("telemetry", "k", "b"), 1, f'"{"x" * 1000}"', "")] * 300
        storing = asyncio.create_task(intake.store(large))
        while intake.refusal is None:
            await asyncio.sleep(0.001)
        assert shown == [1]
        assert await database.read(rows) == 1
        ballast.unlink()
        with pytest.raises(Unavailable, match="full"):
            await storing
    assert await database.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()) == (
        "ok",
    )
    await database.close()
    assert shown == list(range(1, 302))


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.store.sqlite.database import (Database)
from tests.store.test_database import gateway_core

async def main():
    database = await Database.open(Path(sys.argv[1]))
    async with gateway_core(database) as (intake, catalog, shown):
        def tell(last):
            sys.stdout.write(f"{last}\\n")
            sys.stdout.flush()
        last = await intake.store([])
        while True:
            seqs = range(last + 1, last + 2 + last % 7)
            last = seqs[-1]
            channel = catalog.series("telemetry", "k", str(last % 50))
            entries = [(channel, 1, str(seq), "") for seq in seqs]
            assert intake.submit(entries, lambda last=last: tell(last)) == last
            await asyncio.sleep(0)

asyncio.run(main())
"""


def test_kill_9(tmp_path: Path) -> None:
    """Whatever was acknowledged when the process was killed is there, once, as it was; seq goes on
    above it.
    """
    path = tmp_path / "a.db"
    told = 0
    for enough in (1, 500, 3_000):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT
        ) as writer:
            assert writer.stdout is not None
            for count, line in enumerate(writer.stdout):
                assert int(line) > told
                told = int(line)
                if count >= enough:
                    break
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:  # what was on its way when it died
                told = int(line) if line.endswith(b"\n") else told
        db = open_sync(path)
        opened = history.opened(db)
        assert opened.seq >= told
        assert rows(db) == opened.seq
        assert db.execute(
            "SELECT count(*) FROM frames WHERE value != CAST(seq AS TEXT)"
        ).fetchone() == (0,)
        known = {row[0] for row in opened.series}
        assert {row[0] for row in db.execute("SELECT DISTINCT series FROM frames")} <= known
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        told = opened.seq


COMMAND_LINE = """
import sys
from pathlib import Path
from gateway.store.sqlite.database import (open_sync, transaction)
db = open_sync(Path(sys.argv[1]))
for number in range(200):
    with transaction(db):
        insert = "INSERT INTO rejected (at, topic, reason, payload) VALUES (?, 't', 'r', x'')"
        db.execute(insert, (number,))
db.close()
"""


async def test_the_command_line_writes_meanwhile(database: Database) -> None:
    """Another process may write while the gateway is at it: neither is refused, nothing is lost."""
    async with gateway_core(database) as (intake, catalog, shown):
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND_LINE, str(database.path), cwd=ROOT, stderr=subprocess.PIPE
        )
        ended = asyncio.create_task(other.communicate())
        while not ended.done():
            await intake.store([(catalog.series("telemetry", "k", "a"), 1, "1", "")])
            assert intake.refusal is None
        assert (await ended)[1] == b""
        last = await intake.store([])
    assert shown == list(range(1, last + 1))
    assert await database.read(rows) == last
    assert await database.read(
        lambda db: db.execute("SELECT count(*) FROM rejected").fetchone()
    ) == (200,)
