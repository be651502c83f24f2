"""What people read, in documents, docstrings, pages and messages, is in plain words."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("gateway", "bridges", "config", "clients", "examples")

AVOIDED = {  # phrase: what to say instead
    r"\bwhat is none\b|\bthat is none\b": "anything else",
    r"\b(of|for|to|from|with|by|as) who (has|had|is|was|does|did)\b": "clients that ...",
    r"\b(is|are|was|were) to \w+\b": "must be, will be",
    r"\bsets? in\b(?! )|\brules? (sets?|has set) in\b|\brules? is over\b": "fires, clears",
    r"\bof theirs\b": "their",
    r"\bso many\b": "that many, or the number's name",
    r"\basked for\b": "requested, given, target",
    r"[,;] (too|also)\s*[.;:]": "also, before the verb",
}


def documents() -> Iterator[tuple[str, str]]:
    """Every document and page, by name."""
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        yield path.name, path.read_text("utf-8")
    for path in sorted((ROOT / "docs").glob("*.md")):
        yield path.name, path.read_text("utf-8")
    for path in sorted((ROOT / "bridges" / "web" / "html").glob("*.html")):
        yield path.name, path.read_text("utf-8")


def modules() -> Iterator[tuple[str, str]]:
    """The texts in each module of ours: docstrings, errors, help, comments."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), texts(path.read_text("utf-8"))


def texts(source: str) -> str:
    """Return every string and comment in a source, each as a paragraph."""
    found = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n\n".join([*(value for value in found if isinstance(value, str)), *comments])


def odd(text: str) -> list[str]:
    """Return each avoided phrase with what surrounds it, and what to say instead."""
    plain = re.sub(r"(?<!\n)\n(?!\n) *", " ", text)
    return [
        f"...{plain[max(match.start() - 30, 0) : match.end() + 30]}...: say {instead!r}"
        for phrase, instead in AVOIDED.items()
        for match in re.finditer(phrase, plain, re.IGNORECASE)
    ]


@pytest.mark.parametrize(
    ("name", "text"), [pytest.param(*pair, id=pair[0]) for pair in documents()]
)
def test_documents(name: str, text: str) -> None:
    """No avoided phrase in any document or page."""
    assert odd(text) == []


def test_modules() -> None:
    """No avoided phrase in any docstring, error, help text or comment."""
    assert {name: found for name, text in modules() if (found := odd(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "VALUE is JSON; what is none is a string",
        "the body is\nto be an object",
        "the pages of who has signed in",
        "the rule sets in.",
        "It ends as well, too.",
        "It waits for so many seconds",
        "not twelve times as was asked for",
        "whatever of theirs",
    ],
)
def test_the_list_finds_them(text: str) -> None:
    """Each phrase is found, across lines as well."""
    assert len(odd(text)) == 1
