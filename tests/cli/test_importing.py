"""`gateway import` into a running gateway: once, again, and on from where it stopped."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.end_to_end.conftest import house

HEAD = "device,channel,ts,value\n"
T = 1_763_673_303_000


@pytest.fixture
async def here(tmp_path, monkeypatch):
    """A gateway with a kitchen, and a function that calls a command on it."""
    async with house(tmp_path) as home:
        await home.add("kitchen")
        config = tmp_path / "gateway.toml"
        config.write_text(f'[store]\npath = "{tmp_path / "gateway.db"}"\n')
        monkeypatch.setenv("GATEWAY_TOKEN", home.token)

        async def call(*words, status=0):
            words = ("import", *map(str, words), "--json", "--config", str(config))
            result = await asyncio.to_thread(CliRunner().invoke, app, words)
            assert result.exit_code == status, result.output
            return json.loads(result.stdout) if result.stdout else result.stderr

        yield home, call


async def kept(home):
    """What is stored of the kitchen: (ts, value)."""
    page = await home.get("/history", device="kitchen", type="telemetry", limit=10_000)
    return [(frame["ts"], frame["value"]) for frame in page["frames"]]


async def test_a_file_is_stored_with_its_own_times(here, tmp_path):
    """A dry run stores nothing; wrong lines are counted, told, and cost no other."""
    home, call = here
    file = tmp_path / "old.csv"
    lines = [f"kitchen,t,{T - number * 1000},{number}\n" for number in range(3000)]
    file.write_text(HEAD + "".join(lines) + "attic,t,1,1\nkitchen,t,soon,1\nkitchen,t,5,7")
    expected = {"values": 3000, "wrong": 3}
    assert await call(file, "--dry-run", status=1) == expected
    assert await kept(home) == []
    assert await call(file, status=1) == expected
    assert await kept(home) == [(T - n * 1000, n) for n in reversed(range(3000))]
    assert not (tmp_path / "old.csv.progress").exists()


async def test_it_goes_on_where_it_stopped(here, tmp_path):
    """Behind what was stored; a file that has changed is refused, and --restart begins anew."""
    home, call = here
    file, progress = tmp_path / "old.ndjson", tmp_path / "old.ndjson.progress"
    lines = [f'{{"device":"kitchen","channel":"t","ts":{n},"value":{n}}}\n' for n in range(5)]
    file.write_text("".join(lines))
    stat = file.stat()
    where = {
        "size": stat.st_size,
        "modified": stat.st_mtime_ns,
        "offset": 2 * len(lines[0]),
        "line": 2,
    }
    progress.write_text(json.dumps(where))
    assert await call(file) == {"values": 3, "wrong": 0}
    assert await kept(home) == [(2, 2), (3, 3), (4, 4)]
    progress.write_text(json.dumps({**where, "size": 1}))
    assert "has changed" in await call(file, status=1)
    assert await call(file, "--restart") == {"values": 5, "wrong": 0}
    assert await call(tmp_path / "what.bin", status=2)
