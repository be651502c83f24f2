"""Links between the project's pages lead somewhere, headings too, and the map of the documentation
has every page.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """All anchors of a page."""
    return {
        anchor(heading)
        for heading in re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    """Each relative link names a file or folder of the project, and a heading of it."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not heading or heading in anchors(file), target


def test_the_map_is_complete() -> None:
    """docs/index.md links to every page of docs."""
    index = ROOT / "docs" / "index.md"
    linked = set(re.findall(r"\]\((?!\.\.)([^)]+)\)", index.read_text("utf-8")))
    assert linked == {page.name for page in PAGES if page.parent == index.parent} - {"index.md"}
