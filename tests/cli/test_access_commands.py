"""`gateway user`, `device` and `token`, as people and scripts call them."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.access import accounts, sessions
from gateway.access.keys import matches
from gateway.cli import audit as audit_command
from gateway.cli import devices, tokens, users
from gateway.cli.exported import exported
from gateway.errors import Invalid, Unauthenticated
from gateway.store.audit import By
from gateway.stores import open_direct

PASSWORD = "long enough"


@pytest.fixture
def gateway(tmp_path):
    """Return a function that runs a command line and returns its result."""
    app = typer.Typer()
    for name, part in (("user", users.app), ("device", devices.app), ("token", tokens.app)):
        app.add_typer(part, name=name)
    app.command()(audit_command.audit)
    file = tmp_path / "gateway.toml"
    file.write_text('[store]\npath = "gateway.db"\n')

    def run(*words: str, stdin: str | None = None, config: str = str(file)):
        return CliRunner().invoke(
            app, [*words, "--config", config], input=stdin, prog_name="gateway"
        )

    return run


@pytest.fixture
def db(gateway, tmp_path):
    """The database that the commands write into, open as a running gateway has it."""
    with open_direct(tmp_path / "gateway.db", durability="normal") as store:
        yield store


@pytest.fixture
def ann(gateway):
    """A user and admin."""
    assert (
        gateway(
            "user", "add", "ann@example.com", "--admin", "--password-stdin", stdin=PASSWORD + "\n"
        ).exit_code
        == 0
    )
    return "ann@example.com"


def ok(result) -> str:
    """Return what a command that succeeded printed."""
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def refused(result, status: int = 1) -> str:
    """Return the one line that a refused command says on stderr."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_device_add_prints_id_and_key_for_scripts(gateway, db):
    """Exactly these two, and the key is right."""
    printed = json.loads(ok(gateway("device", "add", "kitchen", "--type", "thermostat", "--json")))
    assert set(printed) == {"device", "key"}
    stored = db.tables.devices.get("kitchen")
    assert stored is not None
    assert matches(printed["key"], stored.key_hash)
    assert (stored.type, stored.owner) == ("thermostat", None)


def test_device_add_with_everything(gateway, db, ann):
    """Owner, name and grants; people see the key on a line of its own."""
    lines = ok(
        gateway(
            "device",
            "add",
            "lamp",
            "--owner",
            ann,
            "--name",
            "Lamp",
            "--allow",
            "home/#",
            "--allow",
            "a/+",
        )
    ).splitlines()
    stored = db.tables.devices.get("lamp")
    assert stored is not None
    assert matches(lines[-1], stored.key_hash)
    assert (stored.owner, stored.name, stored.grants) == (1, "Lamp", ("home/#", "a/+"))


def test_device_add_in_the_style_of_iotcommunicate(gateway):
    """An id of 20 signs and a key of 15."""
    printed = json.loads(ok(gateway("device", "add", "--style", "iotcommunicate", "--json")))
    assert re.fullmatch("[A-Z0-9]{20}", printed["device"])
    assert re.fullmatch("[A-Z0-9]{15}", printed["key"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("device", "add", "a b"), "not a device id"), (("device", "add", "token"), "reserved"),
        (("device", "add", "x", "--owner", "nobody@example.com"), "no user"),
        (("device", "add", "x", "--allow", "a/#/b"), "no filter"),
        (("device", "add", "taken"), "already"),
        (("device", "show", "x"), "no device"), (("device", "remove", "x"), "no device"),
        (("device", "new-key", "x"), "no device"),
        (("device", "approve", "taken"), "does not wait"),
        (("token", "add", "--user", "bob@example.com", "--scope", "read"), "no user"),
        (("token", "add", "--user", "ann@example.com", "--scope", "read", "--device", "no"),
            "no device"),
        (("token", "add", "--user", "ann@example.com", "--scope", "read", "--expires", "999999w"),
            "100 years"),
        (("token", "add", "--user", "ann@example.com", "--scope", "read", "--expires", "0s"),
            "past"),
        (("token", "revoke", "7"), "no token"),
        (("user", "remove", "ann@example.com"), "last admin"),
        (("user", "disable", "nobody@example.com"), "no user"),
        (("user", "password", "nobody@example.com"), "no user"),
    ],
)  # fmt: skip
def test_what_is_refused_says_so_in_a_line(gateway, ann, words, said):
    """Exit status 1, nothing on stdout."""
    ok(gateway("device", "add", "taken"))
    assert said in refused(gateway(*words))


@pytest.mark.parametrize(
    "words",
    [
        ("device", "add", "x", "--style", "other"), ("token", "add", "--user", "a@b"),
        ("device", "show"),
        ("token", "add", "--user", "a@b", "--scope", "all"), ("token", "revoke", "first"),
        ("user", "role", "a@b", "king"),
        ("token", "add", "--user", "a@b", "--scope", "read", "--expires", "soon"),
        ("user", "add", "a@b"),
        ("device", "change", "x", "--owner", "a@b", "--no-owner"), ("device", "fly"),
    ],
)  # fmt: skip
def test_wrong_use_is_status_2(gateway, words):
    """Usage errors never look like refusals."""
    assert gateway(*words).exit_code == 2


def test_a_wrong_config_is_status_2(gateway, tmp_path):
    """With the file and the key named."""
    file = tmp_path / "wrong.toml"
    file.write_text("[store]\npaht = 'x'\n")
    assert "paht" in refused(gateway("device", "list", config=str(file)), 2)
    refused(gateway("user", "list", config=str(tmp_path / "missing.toml")), 2)


def test_a_database_of_a_newer_version_is_refused(gateway, tmp_path):
    """Nothing in it is touched."""
    with sqlite3.connect(tmp_path / "gateway.db") as db:
        db.execute("PRAGMA user_version=9999")
    db.close()
    assert "newer" in refused(gateway("device", "add", "kitchen"))


def test_what_a_device_goes_through(gateway, db, ann):
    """List, show, change, grant, disable, enable, new key, remove."""
    key = json.loads(ok(gateway("device", "add", "kitchen", "--json")))["key"]
    ok(gateway("device", "change", "kitchen", "--owner", ann, "--name", "Kitchen"))
    shown = json.loads(ok(gateway("device", "show", "kitchen", "--json")))
    assert (shown["id"], shown["name"], shown["owner"], shown["topics"]) == (
        "kitchen",
        "Kitchen",
        ann,
        [],
    )
    assert "hash" not in json.dumps(shown)
    ok(gateway("device", "change", "kitchen", "--no-owner"))
    ok(gateway("device", "grant", "kitchen", "a/#"))
    granted = json.loads(ok(gateway("device", "grant", "kitchen", "b/+", "a/#", "--json")))
    assert granted["topics"] == ["a/#", "b/+"]
    assert json.loads(ok(gateway("device", "grant", "kitchen", "--only", "--json")))["topics"] == []
    assert json.loads(ok(gateway("device", "disable", "kitchen", "--json")))["disabled"] is True
    assert json.loads(ok(gateway("device", "enable", "kitchen", "--json")))["disabled"] is False
    new = json.loads(ok(gateway("device", "new-key", "kitchen", "--json")))
    assert new["device"] == "kitchen"
    assert new["key"] != key
    ok(gateway("device", "remove", "kitchen"))
    assert db.tables.devices.get("kitchen") is None
    assert "no devices" in ok(gateway("device", "list"))
    actions = [entry.action for entry in db.audit(100) if entry.object == "device:kitchen"]
    assert actions[-1] == "create"
    assert actions[0] == "remove"


def test_device_list_for_people_and_scripts(gateway, ann):
    """A table, or an object a line; of one owner if asked."""
    ok(gateway("device", "add", "kitchen", "--name", "[bold]Kitchen[/bold]", "--owner", ann))
    ok(gateway("device", "add", "x" * 64))
    table = ok(gateway("device", "list"))
    assert "[bold]Kitchen[/bold]" in table
    assert "x" * 64 in table
    rows = [json.loads(line) for line in ok(gateway("device", "list", "--json")).splitlines()]
    assert [row["id"] for row in rows] == ["kitchen", "x" * 64]
    assert [row["owner"] for row in rows] == [ann, None]
    assert "xxx" not in ok(gateway("device", "list", "--owner", ann))
    assert "kitchen" in ok(gateway("device", "show", "kitchen"))


def test_token_add_prints_the_token_for_scripts(gateway, db, ann):
    """Exactly this one; only its hash is stored."""
    ok(gateway("device", "add", "kitchen"))
    printed = json.loads(
        ok(
            gateway(
                "token",
                "add",
                "--user",
                ann,
                "--scope",
                "write",
                "--device",
                "kitchen",
                "--expires",
                "30d",
                "--json",
            )
        )
    )
    assert set(printed) == {"token"}
    (stored,) = db.tables.tokens.all()
    assert matches(printed["token"], stored.hash)
    assert (stored.scope, stored.devices, stored.expires) == (
        "write",
        {"kitchen"},
        stored.created + 30 * 86_400_000,
    )
    listed = ok(gateway("token", "list", "--user", ann))
    assert "kitchen" in listed
    assert printed["token"] not in listed
    row = json.loads(ok(gateway("token", "list", "--json")))
    assert (row["id"], row["user"], row["devices"]) == (1, ann, ["kitchen"])
    ok(gateway("token", "revoke", "1"))
    assert list(db.tables.tokens.all()) == []


def test_token_add_before_there_is_an_account_says_what_to_do(gateway):
    """The next command to type is in the message."""
    said = refused(gateway("token", "add", "--user", "ann@example.com", "--scope", "read"))
    assert "gateway user add EMAIL --admin" in said


def test_a_password_comes_from_standard_input(gateway, db, ann):
    """It is hashed, and neither printed nor stored."""
    (user,) = db.tables.users.all()
    assert user.role == "admin"
    assert user.password is not None
    assert user.password.startswith("$argon2id$")
    printed = ok(
        gateway(
            "user", "add", "bob@example.com", "--password-stdin", "--json", stdin="another one\n"
        )
    )
    assert set(json.loads(printed)) == {"id", "email", "name", "role", "disabled", "created"}
    ok(gateway("user", "password", "bob@example.com", "--password-stdin", stdin="a third one\r\n"))
    assert "too short" in refused(
        gateway("user", "add", "cy@example.com", "--password-stdin", stdin="short\n")
    )
    assert "--password-stdin" in refused(gateway("user", "add", "cy@example.com"), 2)
    assert [user.email for user in db.tables.users.all()] == ["ann@example.com", "bob@example.com"]


def test_a_password_comes_from_a_prompt(gateway, db, monkeypatch):
    """Asked for twice, not shown."""
    asked = {}
    monkeypatch.setattr(users, "_at_a_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", lambda text, **how: asked.update(how) or PASSWORD)
    ok(gateway("user", "add", "ann@example.com"))
    assert asked == {"hide_input": True, "confirmation_prompt": True}


def test_what_a_user_goes_through(gateway, db, ann):
    """Role, disable, enable, sign out, list, remove."""
    ok(
        gateway(
            "user", "add", "bob@example.com", "--name", "Bob", "--password-stdin", stdin=PASSWORD
        )
    )
    assert (
        json.loads(ok(gateway("user", "role", "bob@example.com", "admin", "--json")))["role"]
        == "admin"
    )
    assert "a user" in ok(gateway("user", "role", "bob@example.com", "user"))
    assert (
        json.loads(ok(gateway("user", "disable", "BOB@example.com", "--json")))["disabled"] is True
    )
    ok(gateway("user", "enable", "bob@example.com"))
    ok(gateway("user", "sign-out", "bob@example.com"))
    assert "Bob" in ok(gateway("user", "list"))
    assert [json.loads(line)["email"] for line in ok(gateway("user", "list",
        "--json")).splitlines()] == [
        ann, "bob@example.com",
    ]  # fmt: skip
    ok(gateway("user", "remove", "bob@example.com"))
    assert [user.email for user in db.tables.users.all()] == [ann]


@given(st.text(max_size=20))
def test_any_text_is_a_lifetime_or_wrong_use(text):
    """No duration ends in a traceback."""
    try:
        status = 0 if isinstance(tokens._lifetime(text), int) else -1
    except typer.Exit as end:
        status = end.exit_code
    assert status in {0, 2}


def test_an_invitation_makes_an_account_once(gateway, db):
    """The link of `user invite` works once, for its address, in its role; without a gateway it has
    no host.
    """
    made = json.loads(ok(gateway("user", "invite", "bob@example.com", "--admin", "--json")))
    path, _, secret = made["link"].partition("link=")
    assert path == "/sign-in?"
    by = By("test", "", 1)
    user = accounts.register(
        db.tables, by, link=secret, email="bob@example.com", name="", password=None
    )
    assert (user.email, user.role) == ("bob@example.com", "admin")
    with pytest.raises(Unauthenticated):
        accounts.register(
            db.tables, by, link=secret, email="eve@example.com", name="", password=None
        )
    assert gateway("user", "invite", "bob@example.com").exit_code == 1


def test_a_sign_in_link_is_for_who_exists(gateway, db, ann):
    """`user link` makes a link that signs the user in; for nobody it makes none."""
    made = json.loads(ok(gateway("user", "link", ann, "--json")))
    secret = made["link"].partition("link=")[2]
    opened = sessions.open_by_link(db.tables, By("test", "", 1), secret)
    assert db.tables.users.get(opened.record.user).email == ann
    assert gateway("user", "link", "nobody@example.com").exit_code == 1


def test_the_audit_shows_who_did_what(gateway, ann):
    """Newest first, for people and for scripts; an invitation's secret is not in it."""
    secret = ok(gateway("user", "invite", "bob@example.com")).strip().rpartition("link=")[2]
    first = json.loads(ok(gateway("audit", "--json")).splitlines()[0])
    assert (first["actor"], first["action"], first["object"]) == (
        "command line",
        "create",
        "invitation link",
    )
    table = ok(gateway("audit", "--limit", "5"))
    assert "invitation link" in table
    assert secret not in table


EXPORT = (
    """\
{"_id":{"$oid":"1"},"email":"Ann@example.com","pass":"plain","devices":[
""".strip()
    + (
        '{"deviceid":"1wWaItGHJ91EBngTHXet","devicekey":"aTijWhDFbcvDH146fdgr"},'
        '{"deviceid":"MBIJ0R5BGXBDSYO0GIIE","devicekey":"SQC8JVFAL8NQRJS"}]}\n'
        '{"email":"bob@example.com","devices":[]}\n'
        '{"email":"eve@example.com","devices":[{"deviceid":"X","devicekey":"ABCDEFGHIJKLMNO"}]}\n'
    )
)


def test_device_add_with_a_key_that_a_sketch_has(gateway, db):
    """The key is the one that is given, and one that is too short or a token is refused."""
    told = ok(gateway("device", "add", "board", "--key", "SQC8JVFAL8NQRJS", "--json"))
    assert json.loads(told) == {"device": "board", "key": "SQC8JVFAL8NQRJS"}
    assert matches("SQC8JVFAL8NQRJS", db.tables.devices.get("board").key_hash)
    for wrong in ("short", "with a blank in it", "gwt_" + "x" * 30, "ü" * 20):
        assert "key" in refused(gateway("device", "add", "other", "--key", wrong))


@pytest.mark.parametrize("form", ["lines", "array"])
def test_device_import(gateway, db, ann, tmp_path, form):
    """What mongoexport writes of their users becomes devices with their ids and keys; a second time
    nothing changes.
    """
    users = [json.loads(line) for line in EXPORT.splitlines()]
    file = tmp_path / "users.json"
    file.write_text(EXPORT if form == "lines" else json.dumps(users))
    told = json.loads(ok(gateway("device", "import", str(file), "--json")))
    assert told == {"added": ["1wWaItGHJ91EBngTHXet", "MBIJ0R5BGXBDSYO0GIIE", "X"], "present": []}
    found = {device.id: device for device in db.tables.devices.all()}
    owner = next(iter(db.tables.users.where(email=ann))).id
    assert (found["MBIJ0R5BGXBDSYO0GIIE"].owner, found["X"].owner) == (owner, None)
    assert matches("aTijWhDFbcvDH146fdgr", found["1wWaItGHJ91EBngTHXet"].key_hash)
    assert "0 devices are added, 3 were here" in ok(gateway("device", "import", str(file)))


@pytest.mark.parametrize(
    "data",
    [b"{", b"[1]", b"\xff", b'{"devices": 1}',
     b'{"devices":[{"deviceid":"a b","devicekey":"' + b"x" * 20 + b'"}]}']
)  # fmt: skip
def test_device_import_of_something_else(gateway, db, tmp_path, data):
    """A file that is no export is refused with one line, and nothing is added."""
    file = tmp_path / "users.json"
    file.write_bytes(data)
    refused(gateway("device", "import", str(file)))
    refused(gateway("device", "import", str(tmp_path / "none.json")), 2)
    assert not list(db.tables.devices.all())


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_export_is_read_or_refused(data):
    """No bytes do anything but give devices or `Invalid`."""
    try:
        found = list(exported(data))
    except Invalid:
        return
    assert all(isinstance(device.key, str) for _, device in found)
