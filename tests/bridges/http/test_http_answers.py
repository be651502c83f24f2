"""Answers over HTTP: problems say what to do, in the form of RFC 9457."""

import json

from aiohttp.test_utils import make_mocked_request

from gateway.bridges.http import answers
from gateway.errors import Invalid, TooMany, Unauthenticated


def test_a_problem_names_code_and_fields() -> None:
    """Scripts compare `code`; people read `detail`."""
    answer = answers.problem(Invalid("id: too long", fields={"id": "too long"}), more=1)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert json.loads(answer.body) == {
        "type": "urn:gateway:problem:invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": "id: too long",
        "code": "invalid",
        "fields": {"id": "too long"},
        "more": 1,
    }


def test_what_a_status_needs_beside_it() -> None:
    """401 says how to sign in, 429 when to come again, in whole seconds."""
    assert answers.problem(Unauthenticated("x")).headers["WWW-Authenticate"] == answers.CHALLENGE
    slow = TooMany("x")
    slow.retry_after = 1.2
    assert answers.problem(slow).headers["Retry-After"] == "2"


def test_a_status_that_nobody_knows() -> None:
    """It is an error all the same."""
    assert json.loads(answers.problem_of(499, "gone", "x").body)["title"] == "Error"


def test_the_next_page_keeps_the_query() -> None:
    """Only the cursor changes (RFC 8288)."""
    request = make_mocked_request("GET", "/api/v1/x?limit=5&after=1")
    assert answers.next_page(request, 9) == {"Link": '</api/v1/x?limit=5&after=9>; rel="next"'}


def test_values_and_nothing() -> None:
    """JSON with its type, and 204 without a body."""
    assert (answers.json([1], 201).status, answers.json([1]).body) == (201, b"[1]")
    assert (answers.nothing().status, answers.nothing().body) == (204, None)
