"""`gateway user`: accounts. A password comes from a prompt or from standard input, never from an
argument.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.access import accounts, links, sessions
from gateway.access.keys import Issued
from gateway.access.passwords import hash_password
from gateway.cli.administration import (
    changing,
    reading,
    running,
    show_line,
    show_secret,
    show_table,
    when,
)
from gateway.cli.app import WRONG, AsJson, ConfigFile, configured, fail, show_json
from gateway.errors import GatewayError
from gateway.store.registry import Link, Role, User

app = typer.Typer(help="Accounts.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's email address.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password's line from standard input.")
]


@app.command()
def add(
    email: Email,
    name: Annotated[str, typer.Option(help="What people call the user.")] = "",
    admin: Annotated[
        bool, typer.Option("--admin", help="An admin sees all devices and makes users.")
    ] = False,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Add a user."""
    password = _hashed(password_stdin)
    with changing(config) as (tables, by):
        user = accounts.create(
            tables, by, email=email, name=name, password=password, role="admin" if admin else "user"
        )
    _done(user, "is made", as_json)


@app.command("list")
def list_(as_json: AsJson = False, config: ConfigFile = None) -> None:
    """List the users."""
    with reading(config) as store:
        tables = store.tables
        found = list(tables.users.all())
        owned = {user.id: sum(1 for _ in tables.devices.where(owner=user.id)) for user in found}
    if as_json:
        for user in found:
            show_json(user.public())
        return
    rows = [
        (u.id, u.email, u.name, u.role, owned[u.id], u.disabled, when(u.created)) for u in found
    ]
    show_table(
        ("id", "email", "name", "role", "devices", "disabled", "created (UTC)"),
        rows,
        nothing="no users yet: gateway user add EMAIL --admin",
    )


@app.command()
def remove(email: Email, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Remove a user who owns no device, with tokens and sessions."""
    with changing(config) as (tables, by):
        user = accounts.find(tables, email)
        accounts.remove(tables, by, user.id)
    _done(user, "is removed", as_json)


@app.command()
def password(
    email: Email,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Set a new password, and sign the user out everywhere."""
    with reading(config) as store:
        tables = store.tables
        accounts.find(tables, email)  # before anybody types
    hashed = _hashed(password_stdin)
    with changing(config) as (tables, by):
        user = accounts.find(tables, email)
        accounts.set_password(tables, by, user.id, hashed)
    _done(user, "has a new password", as_json)


@app.command()
def disable(email: Email, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Shut a user out, with tokens and devices, until they are enabled."""
    with changing(config) as (tables, by):
        user = accounts.change(tables, by, accounts.find(tables, email).id, disabled=True)
    _done(user, "is disabled", as_json)


@app.command()
def enable(email: Email, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Let a disabled user in again."""
    with changing(config) as (tables, by):
        user = accounts.change(tables, by, accounts.find(tables, email).id, disabled=False)
    _done(user, "is enabled", as_json)


@app.command()
def role(
    email: Email,
    new: Annotated[Role, typer.Argument(help="admin or user.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Make a user an admin, or an admin a user."""
    with changing(config) as (tables, by):
        user = accounts.change(tables, by, accounts.find(tables, email).id, role=new)
    _done(user, f"is {'an admin' if new == 'admin' else 'a user'}", as_json)


@app.command("sign-out")
def sign_out(email: Email, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Sign a user out of every browser."""
    with changing(config) as (tables, by):
        user = accounts.find(tables, email)
        sessions.close_all(tables, by, user.id)
    _done(user, "is signed out", as_json)


@app.command()
def invite(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="Invite an admin.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Make a link with which one person makes an account, once, within a week."""
    with changing(config) as (tables, by):
        issued = links.invite(tables, by, email=email, role="admin" if admin else "user")
    _show_link(issued, f"The link that invites {email}", as_json, config)


@app.command()
def link(email: Email, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Make a link that signs a user in, once, within an hour, e.g. after a forgotten password."""
    with changing(config) as (tables, by):
        issued = links.sign_in(tables, by, accounts.find(tables, email).id)
    _show_link(issued, f"The link that signs {email} in", as_json, config)


def _show_link(issued: Issued[Link], what: str, as_json: bool, config: Path | None) -> None:
    """Print a link in full where its address is known, else what stands behind the address."""
    settings = configured(config)
    where = running(config)
    known = (where.public_url if where else settings.http.url or "").rstrip("/")
    address = f"{known}/sign-in?link={issued.secret}"
    if as_json:
        show_json({"link": address, "expires": issued.record.expires})
    else:
        show_secret(what, address)


def _hashed(from_stdin: bool) -> str:
    if from_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    elif _at_a_terminal():
        text = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        fail("there is no terminal to ask for the password: give it with --password-stdin", WRONG)
    try:
        return hash_password(text)
    except GatewayError as error:
        fail(str(error))


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _done(user: User, what: str, as_json: bool) -> None:
    if as_json:
        show_json(user.public())
    else:
        show_line(f"user {user.email} {what}")
