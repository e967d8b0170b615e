"""Execution ids."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from shared.repositories.ids import IdGenerator, new_execution_id, parse_execution_id, tick_of, tick_of_id
from tests.support.moments import moments

NOW = datetime(2026, 3, 1, 12, 30, 15, 123_456, tzinfo=UTC)
MOMENTS = moments()


def test_an_id_is_a_uuid_of_version_7_with_its_time_in_front() -> None:
    parsed = uuid.UUID(IdGenerator().new(NOW))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_made_one_after_the_other_sort_so_within_one_moment_and_when_the_clock_steps_back() -> None:
    ids = IdGenerator()
    made = [ids.new(NOW) for _ in range(2000)] + [ids.new(NOW - timedelta(seconds=9)) for _ in range(100)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_was_set_right_is_believed() -> None:
    ids = IdGenerator()
    wrong = ids.new(NOW + timedelta(days=400))
    assert ids.new(NOW) < wrong


def test_threads_never_get_the_same_id() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(mine: list[str]) -> None:
        mine.extend(new_execution_id(NOW) for _ in range(500))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({one for mine in made for one in mine}) == 2000


@given(MOMENTS)
def test_the_time_of_an_id_can_be_had_back(moment: datetime) -> None:
    assert tick_of_id(IdGenerator().new(moment)) == tick_of(moment)


@given(MOMENTS, MOMENTS)
def test_ids_sort_as_their_times(one: datetime, other: datetime) -> None:
    if one < other:
        assert IdGenerator().new(one) < IdGenerator().new(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no-id",
        "01a208dc-3400-79c8-ba88-588e3746593a ",
        "01a208dc-3400-79c8-ba88-588e3746593a\n",
        "01A208DC-3400-79C8-BA88-588E3746593A",
        "01a208dc340079c8ba88588e3746593a",
        "{01a208dc-3400-79c8-ba88-588e3746593a}",
        "01a208dc-3400-49c8-ba88-588e3746593a",
        "01a208dc-3400-79c8-ca88-588e3746593a",
        "01a208dc-3400-79c8-ba88-588e3746593a' or RowKey gt '",
        "٠1a208dc-3400-79c8-ba88-588e3746593a",
    ],
)
def test_anything_but_a_canonical_id_is_refused(text: str) -> None:
    assert parse_execution_id(text) is None


def test_a_canonical_id_is_taken() -> None:
    made = new_execution_id(NOW)
    assert parse_execution_id(made) == made
