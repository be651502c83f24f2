"""Templates: the common forms as a path, with the same results as the engine; bounded ones."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.mqtt.conventions import templates
from gateway.bridges.mqtt.conventions.templates import compiled, rendered, shown
from gateway.errors import Untranslatable

SAID = b'{"a":{"b":[1.26,"x"]},"t":"21.57","n":5,"on":true,"none":null,"k-e y":2}'


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (None, SAID.decode()),
        ("{{ value }}", SAID.decode()),
        ("{{ value_json.n }}", "5"),
        ("{{value_json.n}}", "5"),
        ("{{ value_json['k-e y'] }}", "2"),
        ('{{ value_json["n"] }}', "5"),
        ("{{ value_json.a.b.0 }}", "1.26"),
        ("{{ value_json.a.b[1] }}", "x"),
        ("{{ value_json.a.b[0] | round(1) }}", "1.3"),
        ("{{ value_json.t | float | round(1) }}", "21.6"),
        ("{{ value_json.t | float(0) }}", "21.57"),
        ("{{ value_json.n | int }}", "5"),
        ("{{ value_json.on }}", "True"),
        ("{{ value_json.none }}", "None"),
        ("{{ value_json.x | default('?') }}", "?"),
        ("{{ value_json.x | is_defined }}", None),
        ("{{ value_json.x }}", ""),
        ("{{ value_json.on | lower }}", "true"),
        ("{{ {'off':0,'low':33}[value_json['m']] | default('None') }}", "None"),
        ("{{ ((float(value_json.t) * 2)|round(0)) + 1 }}", "44.0"),
        ("{{ 'yes' if is_number(value_json.t) else 'no' }}", "yes"),
    ],
)
def test_templates_in_the_wild(template: str | None, text: str | None) -> None:
    """What devices really send."""
    assert compiled(template)(SAID) == text


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(100000) %}{{ i }}{% endfor %}",
        "{{ 'a' * 100000000 }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ value | nothing }}",
        "{{ nothing() }}",
        "{{ value_json.a.b | float }}x",
    ],
)
def test_templates_that_cannot_be(template: str) -> None:
    """Loops and growth run out of fuel, mistakes are told."""
    with pytest.raises(Untranslatable, match=r"the template|more than"):
        assert compiled(template)(SAID)


def test_a_payload_that_is_no_json_has_no_members() -> None:
    """As in Home Assistant, its members are undefined."""
    assert compiled("{{ value_json.x }}")(b"text") == ""
    assert compiled("{{ value_json.x | is_defined }}")(b"text") is None
    with pytest.raises(Untranslatable, match="UTF-8"):
        compiled(None)(b"\xff")


def test_templates_of_commands() -> None:
    """`value` is what the command was given."""
    assert rendered("{{ value | int * 2 }}", 4) == "8"
    assert rendered(None, True) == "True" == shown(True)
    with pytest.raises(Untranslatable):
        rendered("x" * 5000, 1)


PATHS = st.sampled_from(["", ".a", ".b", "['a']", ".0", "[0]", ".a.b", "[1].a"])
VALUES = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "1.5"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


@given(PATHS, VALUES, st.sampled_from(["", "| string", "| default('d')"]))
def test_the_short_way_says_what_the_engine_says(path: str, value: Any, work: str) -> None:
    """A compiled path and the engine render the same text, where the value is no collection."""
    template = f"{{{{ value_json{path} {work} }}}}"
    payload = msgspec.json.encode(value)
    short = compiled(template)(payload)
    try:
        long = templates._by_engine(template)(payload)
    except Untranslatable:
        return  # a member of what is not there is an error to the engine, and nothing here
    if short is not None and not short.startswith(("[", "{")):
        assert short.strip() == long


@given(st.text(max_size=60), st.binary(max_size=20))
def test_any_template_is_rendered_or_refused(template: str, payload: bytes) -> None:
    """No text ends anything."""
    try:
        text = compiled(template)(payload)
    except Untranslatable:
        return
    assert text is None or len(text) <= templates.MAX_RENDERED
