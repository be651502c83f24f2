"""`gateway history` and what the tables for people show: times, presence, and nothing that acts."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.clock import now_ms
from gateway.frames import Series
from gateway.store.sqlite import batch
from gateway.store.sqlite.database import open_sync, transaction

VALUE = Series(1, "telemetry", "kitchen", "temperature")
STATUS = Series(2, "presence", "kitchen", "status")
HOUR = 3_600_000


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return a function that calls a command, in a directory with a database of a few frames."""
    monkeypatch.chdir(tmp_path)
    now = now_ms()
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    with closing(open_sync(tmp_path / "gateway.db")) as db, transaction(db):
        for series in (VALUE, STATUS):
            db.execute(
                "INSERT INTO series (id, type, device, channel) VALUES (?, ?, ?, ?)",
                (series.id, series.type, series.device, series.channel),
            )
        entries = [(VALUE, now - age * HOUR, f'"{age},0"', "") for age in (50, 3, 1)]
        text = json.dumps("\x1b[2J", ensure_ascii=True)
        entries += [(VALUE, now, text, ""), (STATUS, now, '"online"', "")]
        batch.append(db, 1, entries, ())

    def called(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == status, result.output
        return result.stderr if status else result.stdout

    return called


def seqs(call, *words: str) -> list[int]:
    """The numbers of the frames that are shown."""
    lines = call("history", "kitchen", "temperature", "--json", *words).splitlines()
    return [json.loads(line)["seq"] for line in lines]


def test_history_since_a_time(call):
    """So long ago, or a time as the API takes it; the newest of them with --limit."""
    assert seqs(call) == [1, 2, 3, 4]
    assert seqs(call, "--since", "2h") == [3, 4]
    assert seqs(call, "--since", "1970-01-01T00:00:00Z", "--limit", "2") == [3, 4]
    assert seqs(call, "--since", str(now_ms() + HOUR)) == []
    assert "neither a time" in call("history", "a", "b", "--since", "noon", status=2)


def test_the_csv_is_that_of_the_api(call):
    """The same columns, and texts without the quotes of JSON."""
    head, first, *_ = call("history", "kitchen", "temperature", "--csv").splitlines()
    assert head == "seq,time,ts,device,channel,type,value"
    assert first.startswith("1,")
    assert first.endswith(',kitchen,temperature,telemetry,"50,0"')


def test_a_table_for_people_holds_nothing_that_acts_on_the_terminal(call):
    """Whatever a device called itself or its values."""
    call("device", "add", "kitchen", "--name", "K\N{CYRILLIC SMALL LETTER U}chen")
    for words in (["history", "kitchen", "temperature"], ["device", "list"], ["audit"]):
        shown = call(*words)
        assert "\x1b" not in shown
        assert all(line.isprintable() for line in shown.splitlines())


def test_the_list_of_devices_says_who_is_online(call):
    """And since when; of a device that was never here nothing."""
    call("device", "add", "kitchen")
    call("device", "add", "lamp")
    lines = call("device", "list").splitlines()
    (kitchen,) = (line for line in lines if "kitchen" in line)
    (lamp,) = (line for line in lines if "lamp" in line)
    assert "online" in kitchen
    assert "online" not in lamp


def test_the_audit_names_people_and_finds_what_is_asked_for(call):
    """By device, by a part of the action, by user."""
    call("user", "invite", "ann@example.com")
    call("device", "add", "kitchen")
    call("device", "add", "lamp")
    call("device", "disable", "lamp")

    def found(*words: str) -> list[tuple[str, str]]:
        lines = map(json.loads, call("audit", "--json", *words).splitlines())
        return [(line["action"], line["object"]) for line in lines]

    assert {object_ for _, object_ in found("--device", "lamp")} == {"device:lamp"}
    assert len(found("--device", "lamp")) == 2
    assert len(found("--device", "lamp", "--limit", "1")) == 1
    assert [action for action, _ in found("--action", "chan")] == ["change"]
    assert "no" in call("audit", "--user", "nobody@example.com", status=1)


def test_simulated_devices_are_removed_and_no_others(call):
    """Those that the command made: by id and name."""
    call("device", "add", "sim-1", "--name", "simulated room", "--type", "room")
    call("device", "add", "sim-2", "--name", "mine")
    call("device", "add", "kitchen")
    assert json.loads(call("simulate", "--remove", "--json")) == {"devices": ["sim-1"]}
    left = [json.loads(line)["id"] for line in call("device", "list", "--json").splitlines()]
    assert left == ["kitchen", "sim-2"]
