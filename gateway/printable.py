"""Text from outside, made fit to be printed: no line break, no escape sequence, nothing invisible.

What strangers and devices send ends up in the log and on the terminals of admins. There a line
break forges a line, and an escape sequence moves the cursor, clears the screen or renames the
window.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return text with each character that is not printable escaped, as in `\x1b` and `\n`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """Return text of several lines, each printable and, but for the first, indented: none of them
    can be taken for a line of its own.
    """
    return "\n    ".join(map(printable, text.splitlines()))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
