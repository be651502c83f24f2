"""Regular expressions in linear time, for patterns that come from outside.

Python's `re` goes back and forth: `(a+)+b` takes it for ever. This one follows all possibilities at
once, as RE2 does, and never more than a bounded amount of work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from gateway.errors import Invalid

MAX_LENGTH = 4_000  # characters of a pattern
MAX_STEPS = 4_000  # of the program that it becomes
MAX_DEPTH = 30  # groups within groups
MAX_REPEATS = 1_000  # {m,n}
MAX_WORK = 2_000_000  # steps that one pattern may take, over all texts

Fits: TypeAlias = Callable[[str], bool]


class _Step(NamedTuple):
    """A step of the program: take a character that fits, or go on in two places."""

    fits: Fits | None
    ways: tuple[int, ...]


def _ascii(kind: Callable[[str], bool]) -> Fits:
    return lambda char: char.isascii() and kind(char)


_CLASSES: dict[str, Fits] = {
    "d": _ascii(str.isdigit),
    "w": _ascii(lambda char: char.isalnum() or char == "_"),
    "s": lambda char: char in " \t\n\r\f",
}


class Pattern:
    """A compiled pattern, anchored at both ends; raises `Invalid`."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise Invalid(f"a pattern has at most {MAX_LENGTH:,} characters")
        self._program = _Compiler(text).program
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._states: dict[frozenset[int], frozenset[int]] = {}
        self._work = 0
        self._start = self._closed({0})

    def matches(self, text: str) -> bool:
        """Tell whether the whole text is matched; raises `Invalid` where it takes too long."""
        state = self._start
        for char in text:
            after = self._known.get((state, char))
            state = self._after(state, char) if after is None else after
            if not state:
                return False
        return len(self._program) in state

    def _after(self, state: frozenset[int], char: str) -> frozenset[int]:
        taken: set[int] = set()
        for number in state:
            if number < len(self._program):
                fits, ways = self._program[number]
                if fits is not None and fits(char):
                    taken.update(ways)
        self._known[state, char] = found = self._closed(taken)
        return found

    def _closed(self, taken: set[int]) -> frozenset[int]:
        """Return the steps that are reached without a character more."""
        found: set[int] = set()
        left = list(taken)
        while left:
            number = left.pop()
            if number not in found:
                found.add(number)
                if number < len(self._program) and self._program[number].fits is None:
                    left += self._program[number].ways
        self._work += len(found) + 8
        if self._work > MAX_WORK:
            raise Invalid("this pattern takes too long: make it shorter")
        state = frozenset(found)
        return self._states.setdefault(state, state)


class _Compiler:
    """Reads a pattern and writes its program: `program` ends where all of it was matched."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 1 if text.startswith("^") else 0
        self._depth = 0
        self.program: list[_Step] = []
        self._alternatives()
        if self._sees("$") and self._at == len(text) - 1:
            self._at += 1
        if self._at < len(text):
            raise self._wrong("is not expected")

    def _wrong(self, why: str) -> Invalid:
        return Invalid(f"in the pattern {self._text[:60]!r}, character {self._at + 1} {why}")

    def _sees(self, chars: str) -> bool:
        return self._at < len(self._text) and self._text[self._at] in chars

    def _take(self) -> str:
        if self._at >= len(self._text):
            raise self._wrong("is missing")
        self._at += 1
        return self._text[self._at - 1]

    def _emit(self, step: _Step) -> int:
        if len(self.program) >= MAX_STEPS:
            raise Invalid(f"a pattern becomes at most {MAX_STEPS:,} steps: make it shorter")
        self.program.append(step)
        return len(self.program) - 1

    def _alternatives(self) -> None:
        """Write `a|b|c` as: either what follows or the next alternative; each jumps to the end."""
        jumps = []
        fork = self._emit(_Step(None, ()))
        self._sequence()
        while self._sees("|"):
            self._at += 1
            jumps.append(self._emit(_Step(None, ())))
            self.program[fork] = _Step(None, (fork + 1, len(self.program)))
            fork = self._emit(_Step(None, ()))
            self._sequence()
        self.program[fork] = _Step(None, (fork + 1,))
        for jump in jumps:
            self.program[jump] = _Step(None, (len(self.program),))

    def _sequence(self) -> None:
        while self._at < len(self._text) and not self._sees("|)"):
            if self._sees("$") and self._at == len(self._text) - 1:
                return
            begin = len(self.program)
            self._atom()
            self._repeats(begin)

    def _atom(self) -> None:
        char = self._take()
        if char == "(":
            self._group()
        elif char in "*+?^$":
            self._at -= 1
            raise self._wrong("repeats nothing" if char in "*+?" else "stands in the middle")
        else:
            self._emit(_Step(self._fits(char), (len(self.program) + 1,)))

    def _fits(self, char: str) -> Fits:
        if char == ".":
            return lambda found: found != "\n"
        if char == "[":
            return self._set()
        if char == "\\":
            return self._escape()
        return char.__eq__

    def _group(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Invalid(f"a pattern has at most {MAX_DEPTH} groups within groups")
        if self._sees("?"):
            if self._text[self._at : self._at + 2] != "?:":
                raise self._wrong("begins a group that is not spoken here")
            self._at += 2
        self._alternatives()
        if self._at >= len(self._text):
            raise self._wrong("is missing: a group is not closed")
        self._at += 1
        self._depth -= 1

    def _escape(self) -> Fits:
        char = self._take()
        if char.lower() in _CLASSES:
            fits = _CLASSES[char.lower()]
            return (lambda found: not fits(found)) if char.isupper() else fits
        if char.isalnum():
            self._at -= 1
            raise self._wrong("is no escape that is spoken here")
        return char.__eq__

    def _set(self) -> Fits:
        negated = self._sees("^")
        self._at += negated
        parts: list[Fits] = []
        while not parts or not self._sees("]"):
            parts.append(self._member())
        self._at += 1
        return lambda found: any(fits(found) for fits in parts) is not negated

    def _member(self) -> Fits:
        char = self._take()
        if char == "\\":
            if self._sees("dwsDWS"):
                return self._escape()
            char = self._take()
        elif char == "[" and self._sees(":"):
            raise self._wrong("begins a class that is not spoken here")
        if self._text[self._at : self._at + 1] != "-" or self._text[
            self._at + 1 : self._at + 2
        ] in {"", "]"}:
            return char.__eq__
        self._at += 1
        last = self._take()
        last = self._take() if last == "\\" else last
        if last < char:
            raise self._wrong("ends a range before it begins")
        return lambda found: char <= found <= last

    def _repeats(self, begin: int) -> None:
        """Read what may stand behind an atom whose steps begin at `begin`, and write it again as
        often as that asks for.
        """
        if not self._sees("*+?{"):
            return
        least, most = self._bounds()
        if self._sees("?"):  # the shortest match first: the same texts match
            self._at += 1
        if self._sees("*+?{"):
            raise self._wrong("repeats what is repeated already: put it in brackets")
        atom = self.program[begin:]
        del self.program[begin:]
        for _ in range(least):
            self._copy(atom, begin)
        if most is None:
            fork = self._emit(_Step(None, ()))
            self._copy(atom, begin)
            back = self._emit(_Step(None, (fork,)))
            self.program[fork] = _Step(None, (fork + 1, back + 1))
            return
        forks = []
        for _ in range(most - least):
            forks.append(self._emit(_Step(None, ())))
            self._copy(atom, begin)
        for fork in forks:
            self.program[fork] = _Step(None, (fork + 1, len(self.program)))

    def _copy(self, atom: list[_Step], begin: int) -> None:
        moved = len(self.program) - begin
        for step in atom:
            self._emit(_Step(step.fits, tuple(way + moved for way in step.ways)))

    def _bounds(self) -> tuple[int, int | None]:
        sign = self._take()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        inside, closed, _ = self._text[self._at :].partition("}")
        least, comma, most = inside.partition(",")
        numbers = [least, most] if most else [least]
        if not closed or not all(number.isdecimal() and len(number) < 5 for number in numbers):
            raise self._wrong("is not a repetition such as {2} or {2,5}")
        self._at += len(inside) + 1
        low, high = int(least), int(most) if most else None if comma else int(least)
        if max(low, high or 0) > MAX_REPEATS or (high is not None and high < low):
            raise self._wrong(f"ends a repetition that is above {MAX_REPEATS:,} or runs backwards")
        return low, high
