"""`gateway audit`: who did what, newest first."""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.access import accounts
from gateway.cli.administration import reading, show_table, when
from gateway.cli.app import AsJson, ConfigFile, show_json
from gateway.frames import to_json

if TYPE_CHECKING:
    from gateway.store.registry import Tables

MOST = 250_000  # entries that are searched for those that match


def audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries.")] = 50,
    user: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Those of this user and their tokens.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="ID", help="Those by or about this device.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Those whose action holds this text.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Show who made, changed, removed and commanded what, who signed in and who failed to."""
    with reading(config) as store:
        names = _names(store.tables)
        owner = None if user is None else accounts.find(store.tables, user).id
        wanted = {
            f"user:{owner}",
            *(f"token:{t.id}" for t in store.tables.tokens.all() if t.user == owner),
        }
        every = (user, device, action) == (None, None, None)
        found = [
            entry
            for entry in store.audit(limit if every else MOST)
            if (user is None or entry.actor in wanted)
            and (device is None or f"device:{device}" in (entry.actor, entry.object))
            and (action is None or action in entry.action)
        ][:limit]
    if as_json:
        for entry in found:
            show_json(entry)
        return
    columns = ("when (UTC)", "who", "from", "did", "to", "detail")
    rows = [
        (
            when(e.at),
            names.get(e.actor, e.actor),
            e.address,
            e.action,
            names.get(e.object, e.object),
            to_json(e.detail) if e.detail else "",
        )
        for e in found
    ]
    show_table(columns, rows, nothing="nothing has happened yet")


def _names(tables: "Tables") -> dict[str, str]:
    """How people know the owner of a number: users by email, tokens by name and user."""
    emails = {user.id: user.email for user in tables.users.all()}
    tokens = {
        f"token:{t.id}": f"token:{t.id} {t.name or 'without name'} of {emails.get(t.user, t.user)}"
        for t in tables.tokens.all()
    }
    return {**{f"user:{number}": email for number, email in emails.items()}, **tokens}
