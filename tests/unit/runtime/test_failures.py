"""What is kept of a failure: where it happened and with which values, and none of anybody's secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.logs.masking import SecretMask
from shared.runtime.failures import MAX_LOCAL_BYTES, MAX_LOCALS_BYTES, describe_failure, message_of, user_line_of
from shared.settings.environment import get_settings
from tests.unit.conftest import Execute


def caught(call: Any, *arguments: Any) -> BaseException:
    try:
        call(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def described(error: BaseException, *secrets: str) -> list[dict[str, Any]]:
    found = describe_failure(error, SecretMask(secrets))
    json.dumps(found)
    return found["exceptions"]


def innermost(number: int) -> None:
    doubled = number * 2
    raise ValueError(f"cannot take {doubled}")


def outer(number: int) -> None:
    innermost(number + 1)


def test_frames_have_file_line_function_source_and_locals():
    (exception,) = described(caught(outer, 1))
    assert (exception["type"], exception["message"], exception["relation"]) == ("ValueError", "cannot take 4", None)
    frame = exception["frames"][-1]
    assert (frame["file"], frame["function"]) == ("test_failures.py", "innermost")
    assert frame["source"][str(frame["line"])] == '    raise ValueError(f"cannot take {doubled}")'
    assert sorted(int(line) for line in frame["source"]) == list(range(frame["line"] - 3, frame["line"] + 4))
    assert frame["locals"] == {"number": "2", "doubled": "4"}


def test_the_chain_of_exceptions_is_kept():
    def chained() -> None:
        try:
            try:
                innermost(1)
            except ValueError as error:
                raise KeyError("second") from error
        except KeyError:
            raise RuntimeError("third")  # noqa: B904 - the context is what is tested

    assert [(part["type"], part["relation"]) for part in described(caught(chained))] == [
        ("RuntimeError", None),
        ("KeyError", "context"),
        ("ValueError", "cause"),
    ]


def test_a_cycle_in_the_chain_ends():
    error = ValueError("a")
    error.__context__ = KeyError("b")
    error.__context__.__context__ = error
    assert len(described(error)) == 2


def test_a_suppressed_context_is_left_out():
    def raising() -> None:
        try:
            innermost(1)
        except ValueError:
            raise KeyError("alone") from None

    assert len(described(caught(raising))) == 1


def test_the_parts_of_a_group_are_kept():
    group = ExceptionGroup("both", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])
    (exception,) = described(group)
    assert [part["type"] for part in exception["exceptions"]] == ["ValueError", "ExceptionGroup"]
    assert exception["exceptions"][1]["exceptions"][0]["type"] == "KeyError"


def test_values_whose_names_are_secret_are_masked():
    def raising() -> None:
        password = "p1"  # noqa: F841
        api_token = "t1"  # noqa: F841
        headers = {"Authorization": "Bearer b1", "Accept": "json", "nested": {"client_secret": "s1"}}  # noqa: F841
        raise ValueError

    text = json.dumps(described(caught(raising))[0]["frames"][-1]["locals"])
    assert not any(secret in text for secret in ("p1", "t1", "b1", "s1"))
    assert "json" in text


def test_known_secret_values_are_masked_wherever_they_stand():
    def raising() -> None:
        url = "https://example.org/?k=hunter22"
        raise ValueError(f"no answer from {url}")

    (exception,) = described(caught(raising), "hunter22")
    assert exception["message"] == "no answer from https://example.org/?k=••••"
    assert "hunter22" not in json.dumps(exception["frames"][-1]["locals"])


class Loud:
    called = False

    def __repr__(self) -> str:
        Loud.called = True
        raise AssertionError("user code was called")

    __str__ = __repr__


class LoudDict(dict[str, int]):
    def items(self) -> Any:
        raise AssertionError("user code was called")


def test_no_code_of_the_users_is_called_to_show_a_local():
    def raising() -> None:
        loud, mapping, listed = Loud(), LoudDict(a=1), [Loud(), 1, None, b"x", 1.5, {2}]  # noqa: F841
        raise ValueError

    shown = described(caught(raising))[0]["frames"][-1]["locals"]
    assert not Loud.called
    assert shown["loud"] == "<tests.unit.runtime.test_failures.Loud>"
    assert shown["mapping"] == "<tests.unit.runtime.test_failures.LoudDict>"
    assert shown["listed"] == "[<tests.unit.runtime.test_failures.Loud>, 1, None, b'x', 1.5, {2}]"


def test_locals_are_bounded_each_and_in_all():
    many, large = list(range(10**6)), 10**100_000

    def raising(depth: int) -> None:
        text = "x" * 10_000  # noqa: F841
        numbers = many  # noqa: F841
        huge = large  # noqa: F841
        deep: list[Any] = [[[[[[[1]]]]]]]  # noqa: F841
        if depth:
            raising(depth - 1)
        raise ValueError

    frames = described(caught(raising, 60))[0]["frames"]
    assert len(frames) <= 50
    sizes = [len(value) for frame in frames for value in frame["locals"].values()]
    assert max(sizes) <= MAX_LOCAL_BYTES
    assert sum(sizes) <= MAX_LOCALS_BYTES + MAX_LOCAL_BYTES
    first = frames[1]["locals"]
    assert "more" in first["numbers"]
    assert first["huge"] == "<int of 332193 bits>"
    assert "…" in first["deep"]


def test_an_exception_that_can_not_be_shown_has_a_message_all_the_same():
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert message_of(MuteError()) == "MuteError (its message can't be shown: RuntimeError)"


def test_an_exception_without_user_frames_has_no_line():
    assert user_line_of(ValueError()) is None
    assert (user_line_of(caught(outer, 1)) or "").endswith(" in innermost")


async def test_engine_frames_are_cut_off_and_locals_can_be_switched_off(
    run_function: Execute, monkeypatch: pytest.MonkeyPatch
):
    result = await run_function(outer, number=1)
    assert result.error_details is not None
    frames = result.error_details["failure"]["exceptions"][0]["frames"]
    assert [frame["function"] for frame in frames] == ["outer", "innermost"]
    assert frames[0]["locals"] == {"number": "1"}

    monkeypatch.setenv("FAILURE_LOCALS", "false")
    get_settings.cache_clear()
    try:
        result = await run_function(outer, number=1)
    finally:
        get_settings.cache_clear()
    assert (result.error_details or {})["failure"]["exceptions"][0]["frames"][0]["locals"] == {}


def test_notes_are_kept_with_their_exception():
    error = ValueError("why")
    error.add_note("order A-1")
    error.add_note("with hunter22")
    (exception,) = described(error, "hunter22")
    assert exception["notes"] == ["order A-1", "with ••••"]
    error.__notes__ = 5  # type: ignore[assignment]
    assert "notes" not in described(error)[0]


def test_files_are_named_by_their_path_below_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "team" / "billing" / "flow.py"
    file.parent.mkdir(parents=True)
    file.write_text("def run():\n    token = 'abc123secret'\n    raise ValueError\n")
    namespace: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    monkeypatch.setenv("WORKSPACE_PATH", str(tmp_path))
    get_settings.cache_clear()
    try:
        error = caught(namespace["run"])
        (frame,) = (frame for frame in described(error)[0]["frames"] if frame["function"] == "run")
        assert frame["file"] == "team/billing/flow.py"
        assert user_line_of(error) == "team/billing/flow.py:3 in run"
        assert frame["source"]["2"] == "    token = ••••"
    finally:
        get_settings.cache_clear()
