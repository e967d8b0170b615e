"""The bounds of the memory cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.data_providers.cache_memory import MemoryCache


def test_the_least_recently_used_goes_first():
    cache: MemoryCache[str] = MemoryCache(max_bytes=100, max_entries=2)
    cache.put("a", "A", 1)
    cache.put("b", "B", 1)
    assert cache.get("a") == "A"
    cache.put("c", "C", 1)
    assert [cache.get(key) for key in "abc"] == ["A", None, "C"]


def test_what_is_too_large_alone_drives_nothing_else_out():
    cache: MemoryCache[str] = MemoryCache(max_bytes=10, max_entries=10)
    cache.put("a", "A", 6)
    cache.put("huge", "H", 11)
    assert (cache.get("a"), cache.get("huge"), cache.size_bytes) == ("A", None, 6)
    cache.put("a", "too large now", 11)
    assert (cache.get("a"), cache.size_bytes, len(cache)) == (None, 0, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 12)), max_size=60))
def test_neither_bound_is_ever_passed_and_the_newest_fitting_value_is_there(puts: list[tuple[str, int]]):
    cache: MemoryCache[int] = MemoryCache(max_bytes=20, max_entries=4)
    for number, (key, size) in enumerate(puts):
        cache.put(key, number, size)
        assert cache.get(key) == number
        assert len(cache) <= 4
        assert cache.size_bytes <= 20
