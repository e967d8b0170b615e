"""The log of a run is bounded: head and tail are kept, and what lies between is named."""

from __future__ import annotations

import tracemalloc

from shared.log_buffer import MAX_LINE_CHARACTERS, LogBuffer


def numbered(buffer: LogBuffer, count: int) -> None:
    for number in range(1, count + 1):
        buffer.add("info", f"line {number}", "stdout")


def test_lines_are_numbered_from_one():
    buffer = LogBuffer()
    numbered(buffer, 3)
    assert [entry["seq"] for entry in buffer.entries()] == [1, 2, 3]
    assert [entry["message"] for entry in buffer.entries(after=2)] == ["line 3"]


def test_an_entry_has_the_fields_of_the_contract():
    buffer = LogBuffer()
    buffer.add("warning", "text", "logger", logger="a.b", data={"x": 1}, created=1_700_000_000.5)
    assert buffer.entries() == [
        {
            "seq": 1,
            "timestamp": "2023-11-14T22:13:20.500000+00:00",
            "level": "warning",
            "message": "text",
            "source": "logger",
            "logger": "a.b",
            "data": {"x": 1},
        }
    ]


def test_of_too_many_lines_the_first_and_the_last_are_kept_and_the_gap_is_named():
    buffer = LogBuffer(max_lines=10)
    numbered(buffer, 100)
    entries = buffer.entries()
    assert [entry["message"] for entry in entries[:5]] == [f"line {number}" for number in range(1, 6)]
    assert [entry["message"] for entry in entries[6:]] == [f"line {number}" for number in range(96, 101)]
    gap = entries[5]
    assert gap["source"] == "engine"
    assert gap["data"] == {"firstLeftOut": 6, "lastLeftOut": 95}
    assert "90 lines were left out here: sequence numbers 6 to 95" in gap["message"]


def test_bytes_are_bounded_too():
    buffer = LogBuffer(max_bytes=100_000)
    for _ in range(100):
        buffer.add("info", "ä" * 1000, "stdout")
    kept = [entry for entry in buffer.entries() if entry["source"] == "stdout"]
    assert 30 <= len(kept) <= 50
    assert sum(len(entry["message"].encode()) for entry in kept) <= 100_000


def test_a_line_longer_than_all_is_cut_and_says_so():
    buffer = LogBuffer()
    buffer.add("info", "x" * (MAX_LINE_CHARACTERS + 7), "stdout")
    (entry,) = buffer.entries()
    assert entry["message"].endswith("… (7 characters left out)")


def test_data_is_kept_as_it_was_when_it_was_logged():
    buffer = LogBuffer()
    data = {"items": [1]}
    buffer.add("info", "text", "context", data=data)
    data["items"].append(2)
    assert buffer.entries()[0]["data"] == {"items": [1]}


def test_lone_surrogates_become_text_that_can_be_sent():
    buffer = LogBuffer()
    buffer.add("info", "bad \udc80", "stdout")
    assert buffer.entries()[0]["message"] == "bad \\udc80"


def test_memory_stays_flat_through_a_million_lines():
    buffer = LogBuffer()
    numbered(buffer, 20_000)
    tracemalloc.start()
    try:
        numbered(buffer, 100_000)
        before, _ = tracemalloc.get_traced_memory()
        numbered(buffer, 880_000 // 4)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 256 * 1024
    assert len(buffer.entries()) == 10_001
