"""Deadlines: everything becomes due once, at its last time, the earliest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.deadlines import SLACK, Deadlines

KEYS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.integers(0, 50)),
        st.tuples(st.just("discard"), KEYS, st.just(0)),
        st.tuples(st.just("take"), st.just(0), st.integers(0, 50)),
    ),
    max_size=200,
)


@given(STEPS)
def test_it_does_what_a_plain_dict_would(steps):
    """Whatever is set, set anew and discarded."""
    deadlines: Deadlines[int] = Deadlines()
    plain: dict[int, int] = {}
    for what, key, at in steps:
        if what == "set":
            deadlines.set(key, at)
            plain[key] = at
        elif what == "discard":
            deadlines.discard(key)
            plain.pop(key, None)
        else:
            due = {k: plain.pop(k) for k in [k for k, v in plain.items() if v <= at]}
            taken = list(deadlines.take(at))
            assert sorted(taken) == sorted(due)
            assert [due[k] for k in taken] == sorted(due.values())
        assert len(deadlines) == len(plain)


def test_setting_anew_for_ever_holds_no_memory():
    """What is put off again and again stands once."""
    deadlines: Deadlines[str] = Deadlines()
    for at in range(10_000):
        deadlines.set("a", at)
    assert len(deadlines._heap) <= SLACK + 2
    assert list(deadlines.take(9_998)) == []
    assert list(deadlines.take(9_999)) == ["a"]
