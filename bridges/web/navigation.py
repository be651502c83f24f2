"""The pages for those who are signed in, and the menu that is made from their table."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.bridges.web.files import Words


class Page(msgspec.Struct, frozen=True):
    """A page at `path`. Its HTML, script and title go by `name`.

    `admin`: for admins alone; `menu`: it stands in the menu.
    """

    path: str
    name: str
    admin: bool = False
    menu: bool = True


PAGES = (
    Page("/", "now"),
    Page("/devices", "devices"),
    Page("/devices/{id}", "device", menu=False),
    Page("/docs", "connect"),
    Page("/rejected", "rejected"),
    Page("/tokens", "tokens"),
    Page("/users", "users", admin=True),
    Page("/audit", "audit", admin=True),
    Page("/system", "system", admin=True),
    Page("/account", "account"),
)


OLD_ADDRESSES = {
    "/login": "/sign-in",
    "/signup": "/sign-up",
    "/mydevices": "/devices",
    "/create": "/devices#new",
    "/logout": "/account",
}
"""Where bookmarks of IOTcommunicate's pages lead."""


def menu(current: Page, words: Words, *, admin: bool) -> str:
    """Return the links to every page that such a person may see."""
    return "\n".join(
        _link(page, words, current=page is current or current.path.startswith(f"{page.path}/"))
        for page in PAGES
        if page.menu and (admin or not page.admin)
    )


def _link(page: Page, words: Words, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    icon = f'<svg class="icon" aria-hidden="true"><use href="/static/icons.svg#{page.name}"/></svg>'
    return f'<a href="{page.path}"{mark}>{icon}{html.escape(words[f"{page.name}.title"])}</a>'


def choices(languages: dict[str, Words]) -> str:
    """Return an option for each language, by its own name."""
    return "".join(
        f'<option value="{name}">{html.escape(words["language.name"])}</option>'
        for name, words in languages.items()
    )
