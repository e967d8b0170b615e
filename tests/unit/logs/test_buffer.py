"""The log of a run is bounded: head and tail are kept, and what lies between is named."""

from __future__ import annotations

import tracemalloc
from typing import Any

from shared.executions.lease import LiveLog
from shared.logs.buffer import MAX_BYTES, MAX_LINE_CHARACTERS, LogBuffer, LogEntry, gap_between, within_bounds


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


def stored_in_pieces(lines: int, size: int = 10) -> list[dict[str, Any]]:
    """The log of a run as its flushes stored it."""
    buffer, kept = LogBuffer(), list[LogEntry]()
    live = LiveLog(buffer, 0)
    for number in range(lines):
        buffer.add("info", f"{number:04} " + "x" * size, "stdout")
        if number % 50 == 49:
            while fresh := live.next():
                kept += fresh
                live.stored(fresh)
    return [line.as_json() for line in kept]


def test_what_a_lost_run_wrote_is_kept_within_the_bounds_of_a_log():
    lines = stored_in_pieces(lines=12_000)
    assert within_bounds(lines[:10_000]) == lines[:10_000]
    kept = within_bounds(lines)
    assert kept[:5_000] == lines[:5_000]
    assert kept[5_001:] == lines[-5_000:]
    assert kept[5_000]["data"] == {"firstLeftOut": 5_001, "lastLeftOut": len(lines) - 5_000}


def test_a_gap_that_was_there_goes_into_the_larger_one():
    lines = stored_in_pieces(lines=12_000)
    # The tail would begin with it.
    at = len(lines) - 5_000
    lines[at] = gap_between(at, LogEntry(at + 2, 0, "", "", "", None, None, 0)).as_json()
    kept = within_bounds(lines)
    assert [line["seq"] for line in kept[4_999:5_002]] == [5_000, at + 1, at + 2]
    assert kept[5_000]["data"] == {"firstLeftOut": 5_001, "lastLeftOut": at + 1}


def test_beyond_what_is_kept_each_flush_takes_little():
    size = 100_000
    lines = stored_in_pieces(lines=500, size=size)
    beyond = MAX_BYTES // size + 50
    assert len([line for line in lines if line["source"] != "engine"]) <= beyond + 500 // 50
    assert lines[-1]["message"].startswith("0499")
    assert sum(len(line["message"]) for line in within_bounds(lines)) <= MAX_BYTES


def test_noise_makes_room_and_what_went_is_named():
    buffer = LogBuffer(max_lines=100)
    for number in range(40):
        buffer.add("info", f"noise {number}", "logger", is_noise=True)
    numbered(buffer, 90)
    buffer.add("info", "noise", "logger", is_noise=True)
    buffer.close()
    entries = buffer.entries()
    assert [entry["message"] for entry in entries[:9]] == [f"noise {number}" for number in range(9)]
    assert [entry["message"] for entry in entries[9:99]] == [f"line {number}" for number in range(1, 91)]
    assert entries[99]["data"] == {"libraryLinesLeftOut": 32}
    assert len(entries) == 100
    numbered(again := LogBuffer(max_lines=100), 100)
    assert len(again.entries()) == 100


def test_noise_that_goes_meanwhile_is_no_hole_for_one_who_reads_along():
    buffer = LogBuffer(max_lines=10)
    for _ in range(2):
        buffer.add("info", "noise", "logger", is_noise=True)
    numbered(buffer, 10)
    fresh = buffer.fresh(0, 1000_000)
    assert [entry.seq for entry in fresh] == [*range(3, 13)]


def test_noise_among_the_lines_makes_the_log_no_longer_than_its_bounds():
    buffer = LogBuffer(max_lines=100)
    for number in range(300):
        buffer.add("info", f"line {number}", "logger")
        buffer.add("info", "noise", "logger", is_noise=True)
    buffer.close()
    entries = buffer.entries()
    # The first and the last lines, one entry for those between, and one for the noise.
    assert len(entries) <= 102
    assert [entry["message"] for entry in entries[:50]] == [f"line {number}" for number in range(50)]
    assert len([entry for entry in entries if "firstLeftOut" in (entry["data"] or {})]) == 1


def test_a_bar_that_is_drawn_a_hundred_thousand_times_is_one_line_and_takes_no_memory():
    buffer = LogBuffer()
    tracemalloc.start()
    try:
        for number in range(100_000):
            buffer.write("stderr", f"\r{number} of 100000")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    buffer.write("stderr", "\r")
    buffer.write("stderr", "\n")
    assert [entry["message"] for entry in buffer.entries()] == ["99999 of 100000"]
    assert most < 64 * 1024


def test_characters_that_come_in_parts_are_put_together():
    buffer = LogBuffer()
    for byte in "ä€😀\n".encode():
        buffer.write_bytes("stdout", bytes([byte]))
    buffer.write_bytes("stdout", b"\xff\n")
    assert [entry["message"] for entry in buffer.entries()] == ["ä€😀", "\\xff"]
