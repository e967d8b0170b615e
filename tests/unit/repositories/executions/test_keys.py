"""Row keys of executions, ranges of them, and continuation tokens."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequestError
from shared.models.executions import ExecutionStatus
from shared.repositories.executions.keys import (
    ALL,
    key_of_token,
    key_range,
    list_key,
    status_list,
    token_of,
    user_list,
    workflow_list,
)
from shared.repositories.ids import IdGenerator
from tests.support.moments import moments

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Always the same, since it is in the names of tests.
ID = "019ca945-0a00-7000-8403-71eb68b547b3"
PREFIXES = st.sampled_from([ALL, workflow_list("a"), user_list("b"), status_list(ExecutionStatus.RUNNING)])
MOMENTS = moments(1969, 9999)
IDS = moments().map(lambda moment: (moment, IdGenerator().new(moment)))


@given(IDS, IDS, PREFIXES)
def test_newer_executions_come_first_in_every_list(
    one: tuple[datetime, str], other: tuple[datetime, str], prefix: str
) -> None:
    if one[0] > other[0]:
        assert list_key(prefix, one[1]) < list_key(prefix, other[1])


@given(IDS, MOMENTS, MOMENTS, PREFIXES)
def test_a_range_of_dates_holds_exactly_what_was_made_in_it(
    made: tuple[datetime, str], start: datetime, end: datetime, prefix: str
) -> None:
    above, below = key_range(prefix, start, end)
    assert (above < list_key(prefix, made[1]) < below) is (start <= made[0] <= end)


@given(IDS)
def test_a_range_begins_and_ends_with_the_microsecond(made: tuple[datetime, str]) -> None:
    moment, execution_id = made
    above, below = key_range(ALL, moment, moment)
    assert above < list_key(ALL, execution_id) < below
    later, _ = key_range(ALL, moment + timedelta(microseconds=1), None)
    assert later < list_key(ALL, execution_id)


def test_no_list_reaches_into_another() -> None:
    lists = [ALL, workflow_list("a"), workflow_list("b"), user_list("a"), *map(status_list, ExecutionStatus)]
    for prefix in lists:
        above, below = key_range(prefix, None, None)
        inside = [other for other in lists if above < list_key(other, ID) < below]
        assert inside == [prefix]


@given(IDS, PREFIXES)
def test_a_token_gives_back_the_key_it_was_made_of(made: tuple[datetime, str], prefix: str) -> None:
    key = list_key(prefix, made[1])
    assert key_of_token(token_of(key), prefix) == key


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "?",
        "abc",
        "a" * 1000,
        "ÄÖÜ",
        encoded(""),
        encoded("a:"),
        encoded(ID),
        encoded(list_key(workflow_list("other"), ID)),
        encoded(list_key(ALL, ID).upper()),
        encoded(list_key(ALL, ID).replace(":f", ":e")),
        encoded(list_key(ALL, ID) + "' or PartitionKey gt '"),
        encoded("a:000000000000000' or 1 eq 1:" + ID),
        token_of(list_key(ALL, ID)) + "=",
        token_of(list_key(ALL, ID)) + "\n",
    ],
)
def test_a_token_that_this_list_did_not_give_out_is_refused_by_name(token: str) -> None:
    with pytest.raises(BadRequestError, match="continuationToken"):
        key_of_token(token, ALL)


@given(st.text(max_size=200))
def test_no_token_is_anything_but_taken_or_refused(token: str) -> None:
    with pytest.raises(BadRequestError):
        key_of_token(token, ALL)
