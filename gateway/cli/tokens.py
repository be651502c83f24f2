"""`gateway token`: API tokens."""

from typing import Annotated, Any

import typer

from gateway.access import accounts, tokens
from gateway.cli.administration import changing, reading, show_line, show_secret, show_table, when
from gateway.cli.app import WRONG, AsJson, ConfigFile, fail, show_json
from gateway.config.units import parse_duration
from gateway.errors import NotFound
from gateway.store.registry import Scope, Tables, Token, User

app = typer.Typer(help="API tokens.", no_args_is_help=True)


@app.command()
def add(
    user: Annotated[
        str, typer.Option(metavar="EMAIL", help="Whose token it is; it reaches as far at most.")
    ],
    scope: Annotated[Scope, typer.Option(help="read: look; write: also send; admin: all.")],
    device: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Limit it to this device; repeatable.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When it ends: 30d, 12h; else never.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Add a token and print it, this once."""
    lifetime = _lifetime(expires)
    with changing(config) as (tables, by):
        issued = tokens.create(
            tables,
            by,
            user=_user(tables, user).id,
            scope=scope,
            name=name,
            devices=device or None,
            expires=None if lifetime is None else by.at + lifetime,
        )
    if as_json:
        show_json({"token": issued.secret})
    else:
        show_secret(f"token {issued.record.id}", issued.secret)


@app.command("list")
def list_(
    user: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Those of this user only.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """List the tokens; they themselves cannot be shown again."""
    with reading(config) as store:
        tables = store.tables
        only = None if user is None else accounts.find(tables, user).id
        emails = {each.id: each.email for each in tables.users.all()}
        found = [token for token in tables.tokens.all() if only is None or token.user == only]
    if as_json:
        for token in found:
            show_json(_described(token, emails))
        return
    rows = [
        (t.id, t.name, emails[t.user], t.scope,
            sorted(t.devices) if t.devices is not None else "all",
         when(t.expires) or "never", when(t.last_used)) for t in found
    ]  # fmt: skip
    columns = ("id", "name", "user", "scope", "devices", "expires (UTC)", "last used (UTC)")
    show_table(columns, rows, nothing="no tokens yet")


@app.command()
def revoke(
    token: Annotated[
        int,
        typer.Argument(metavar="ID", help="Its number in `gateway token list`.", min=1, max=2**62),
    ],
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Take a token back; its connections end within two seconds."""
    with changing(config) as (tables, by):
        tokens.revoke(tables, by, token)
    if as_json:
        show_json({"id": token})
    else:
        show_line(f"token {token} is revoked")


def _user(tables: "Tables", email: str) -> User:
    if not any(tables.users.all()):
        raise NotFound(
            "there is no account yet: make one first, with `gateway user add EMAIL --admin`"
        )
    return accounts.find(tables, email)


def _lifetime(text: str | None) -> int | None:
    """Return a duration in ms."""
    if text is None:
        return None
    try:
        return round(parse_duration(text) * 1000)
    except (ValueError, OverflowError):
        fail(f"--expires: {text[:40]!r} is no duration such as 30d or 12h", WRONG)


def _described(token: Token, emails: dict[int, str]) -> dict[str, Any]:
    return {**token.public(), "user": emails[token.user]}
