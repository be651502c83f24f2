"""A gateway that cannot start says in one line what is wrong and what to do, and leaves what is
there as it was.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway import intake
from gateway.errors import GatewayError
from gateway.stores import open_direct
from tests.end_to_end.conftest import running

ROOT = Path(__file__).parents[2]
LISTEN = '[mqtt]\nhost = "127.0.0.1"\nport = {mqtt}\n[http]\nhost = "127.0.0.1"\nport = {http}\n'


def command(directory: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run the command line; return its exit status and the lines on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("engine", ["embedded", "amqtt", "external"])
async def test_more_was_online_than_the_intake_takes_at_once(tmp_path, monkeypatch, engine):
    """After a crash every device that was online gets a frame before anything is read: their number
    keeps no gateway from starting.
    """
    broker = {"engine": engine} | ({"url": "mqtt://127.0.0.1:1"} if engine == "external" else {})
    async with running(tmp_path, broker=broker) as gateway:
        for number in range(9):
            gateway.core.presence.seen(f"device-{number}")
    monkeypatch.setattr(intake, "MAX_ENTRIES", 4)
    async with running(tmp_path, broker=broker) as gateway:
        for _ in range(2):  # the batch of the start, and one after it
            stored = asyncio.Event()
            gateway.core.intake.submit((), stored.set)
            await stored.wait()
        assert not gateway.core.intake.full
        assert not list(gateway.core.presence.online())
        assert gateway.core.hub.seq == 18


@pytest.fixture
def taken():
    """A port that someone else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("which", ["mqtt", "http"])
def test_a_port_in_use(tmp_path, taken, which):
    """Exit status 1 and one line that names the port and what to do."""
    (tmp_path / "gateway.toml").write_text(LISTEN.format(**{"mqtt": 0, "http": 0, which: taken}))
    status, lines = command(tmp_path, "run")
    assert status == 1
    assert len(lines) == 1
    assert re.search(rf"\b{taken}\b.*another gateway.*port.*gateway\.toml", lines[0]), lines


def test_an_unknown_key(tmp_path):
    """Exit status 2 and one line with the file, the table, the key, and what was probably meant;
    check tells all.
    """
    wrong = '[store]\npaht = "x"\ndurability = "ful"\n[limits]\nconnections = "x"\n'
    (tmp_path / "gateway.toml").write_text(wrong)
    status, lines = command(tmp_path, "run")
    assert status == 2
    assert len(lines) == 1
    for part in ("gateway.toml", "[store]", "paht", '"path"'):
        assert part in lines[0]
    status, lines = command(tmp_path, "check")
    assert status == 2
    assert [re.search(r"\[(\w+)\] (\w+)", line).groups() for line in lines] == [
        ("store", "paht"), ("store", "durability"), ("limits", "connections")
    ]  # fmt: skip


def test_a_route_that_is_none(tmp_path):
    """What only a part can tell is told in the same way."""
    (tmp_path / "gateway.toml").write_text('[[routes]]\ntopic = "a/#/{device}"\n')
    for name in ("run", "check"):
        status, lines = command(tmp_path, name)
        assert status == 2
        assert len(lines) == 1
        assert "gateway.toml" in lines[0]
        assert "[[routes]]" in lines[0]
        assert "a/#/{device}" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["tail", "a/#/b"], 1, "no gateway is running"),
        (["send", "kitchen", "led", "1"], 1, "no gateway is running"),
        (["device", "add", "no spaces"], 1, "device id"),
        (["history", "nobody", "x"], 1, "there is no database"),
        (["history", "kitchen", "x", "--csv", "--json"], 2, "not both"),
        (["history", "kitchen", "x", "--limit", "0"], 2, "--limit"),
        (["bogus"], 2, "No such command"),
        (["token", "add", "--user", "x@example.com", "--scope", "all"], 2, "scope"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_errors_of_the_command_line(tmp_path, arguments, status, says):
    """Exit status 1 where something is refused, 2 where the usage is wrong, and a line that says
    why.
    """
    (tmp_path / "gateway.toml").write_text("")
    got, lines = command(tmp_path, *arguments)
    assert got == status, lines
    assert says in "\n".join(lines)
    assert not any("Traceback" in line for line in lines)


async def refusal(directory: Path) -> str:
    """Return what a gateway says that cannot start here."""
    with pytest.raises((GatewayError, OSError)) as raised:
        async with asyncio.timeout(20), running(directory):
            pass
    return str(raised.value)


async def test_a_database_of_a_newer_version(tmp_path):
    """It is not touched, and the line says so."""
    db = sqlite3.connect(tmp_path / "gateway.db")
    db.execute("CREATE TABLE something (newer)")
    db.execute("PRAGMA user_version=999")
    db.commit()
    db.close()
    said = await refusal(tmp_path)
    assert "newer gateway (schema 999" in said
    assert "install that version" in said
    db = sqlite3.connect(tmp_path / "gateway.db")
    assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("something",)]
    db.close()


async def test_a_file_that_is_no_database(tmp_path):
    """It is left as it was."""
    file = tmp_path / "gateway.db"
    file.write_bytes(b"a letter to a friend\n" * 1000)
    said = await refusal(tmp_path)
    assert "not a database" in said
    assert str(file) in said
    assert file.read_bytes() == b"a letter to a friend\n" * 1000


async def test_another_program_s_database(tmp_path):
    """It is not filled with our tables."""
    db = sqlite3.connect(tmp_path / "gateway.db")
    db.execute("CREATE TABLE photos (id)")
    db.commit()
    db.close()
    assert "another program's database" in await refusal(tmp_path)


async def test_a_second_gateway_on_the_same_database(tmp_path):
    """The second says so and ends; the first goes on."""
    async with running(tmp_path) as first:
        assert "another gateway is running" in await refusal(tmp_path)
        seq = await first.core.intake.store(
            [(first.core.catalog.series("telemetry", "kitchen", "x"), 1, "1", "")]
        )
        assert first.core.hub.seq == seq


@pytest.mark.parametrize("table", ["frames", "series", "devices", "tokens", "meta"])
async def test_a_damaged_database(tmp_path, table):
    """A page that the start reads and cannot: one line with the ways on, no traceback."""
    database = tmp_path / "gateway.db"
    with open_direct(database):
        pass
    with closing(sqlite3.connect(database)) as db:
        (page,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(database.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    database.write_bytes(data)
    said = await refusal(tmp_path)
    assert "the file is damaged" in said
    assert "gateway check --database" in said
    (tmp_path / "gateway.toml").write_text(
        '[store]\npath = "gateway.db"\n' + LISTEN.format(mqtt=0, http=0)
    )
    status, lines = command(tmp_path, "run")
    assert (status, len(lines)) == (1, 1), lines


async def test_a_folder_that_is_a_file(tmp_path):
    """The line names it."""
    (tmp_path / "data").write_text("")
    said = await refusal(tmp_path / "data" / "more")
    assert str(tmp_path / "data") in said
    assert "cannot write" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written(tmp_path):
    """The line names the folder and what to look at."""
    tmp_path.chmod(0o500)
    try:
        said = await refusal(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert "permissions" in said


async def test_a_read_only_disk(tmp_path):
    """The line says that the disk may be read-only."""
    mounting = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if (
        os.geteuid()
        or subprocess.run(mounting, check=False, capture_output=True, timeout=10).returncode
    ):
        pytest.skip("file systems cannot be mounted here")
    try:
        said = await refusal(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True, timeout=10)
    assert "read-only" in said
