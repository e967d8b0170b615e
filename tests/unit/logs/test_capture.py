"""Every line in its own run's log, in order, none lost, none doubled; the process's own output as it was."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import importlib.util
import io
import logging
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.context import ExecutionContext
from shared.engine import execute
from shared.logs.buffer import NOISE_LINES, LogBuffer
from shared.logs.capture import importing
from shared.registry import FunctionMetadata, FunctionRegistry
from tests.unit.conftest import Execute, messages, request

log = logging.getLogger("users.own")
LINES = 200


class Collector(logging.Handler):
    """Stands for the handler that Azure's worker puts on the root logger."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def process_log() -> Iterator[Collector]:
    collector = Collector()
    logging.getLogger().addHandler(collector)
    yield collector
    logging.getLogger().removeHandler(collector)


# Each writes LINES lines, "{who} {what} {number}", by all the ways there are.
def write_lines(context: ExecutionContext, who: str, what: str, numbers: range) -> None:
    for number in numbers:
        line = f"{who} {what} {number}"
        way = number % 4
        if way == 0:
            log.debug("%s %s %d", who, what, number)
        elif way == 1:
            print(line)
        elif way == 2:
            sys.stderr.write(line + "\n")
        else:
            context.info(line)


def threaded(context: ExecutionContext, who: str) -> None:
    write_lines(context, who, "own", range(LINES - 80))
    thread = threading.Thread(target=write_lines, args=(context, who, "thread", range(40)))
    thread.start()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(write_lines, context, who, "executor", range(40)).result()
    thread.join()


async def asynchronous(context: ExecutionContext, who: str) -> None:
    async def task() -> None:
        for number in range(40):
            write_lines(context, who, "task", range(number, number + 1))
            await asyncio.sleep(0)

    child = asyncio.create_task(task())
    for number in range(LINES - 120):
        write_lines(context, who, "own", range(number, number + 1))
        await asyncio.sleep(0)
    await asyncio.to_thread(write_lines, context, who, "to_thread", range(40))
    await asyncio.get_running_loop().run_in_executor(None, write_lines, context, who, "run_in_executor", range(40))
    await child


SCRIPT = base64.b64encode(
    textwrap.dedent(f"""
    import logging, sys, asyncio
    for number in range({LINES}):
        way = number % 4
        line = f"{{who}} own {{number}}"
        if way == 0:
            logging.getLogger("script").debug(line)
        elif way == 1:
            print(line)
        elif way == 2:
            print(line, file=sys.stderr)
        else:
            context.info(line)
    await asyncio.sleep(0)
    """).encode()
).decode()


async def test_200_concurrent_runs_of_all_kinds_keep_their_lines_apart_and_in_order(registry: FunctionRegistry):
    for function in (threaded, asynchronous):
        registry.register_function(FunctionMetadata(name=function.__name__, function=function))

    async def one(number: int) -> tuple[str, list[str]]:
        who = f"run{number}"
        kind = ("threaded", "asynchronous", None)[number % 3]
        fields: dict[str, Any] = {"name": kind} if kind else {"code": SCRIPT}
        result = await execute(request(parameters={"who": who}, **fields))
        assert result.status == "Success", result.error_message
        assert [entry["seq"] for entry in result.logs] == list(range(1, LINES + 1))
        return who, messages(result)

    for who, lines in await asyncio.gather(*(one(number) for number in range(200))):
        assert len(lines) == len(set(lines)) == LINES
        by_origin: dict[str, list[int]] = {}
        for line in lines:
            run, origin, number = line.split()
            assert run == who
            by_origin.setdefault(origin, []).append(int(number))
        for numbers in by_origin.values():
            assert numbers == list(range(len(numbers)))


async def test_debug_lines_are_captured_while_a_root_at_warning_stays_quiet(
    run_function: Execute, process_log: Collector
):
    def talk() -> None:
        assert logging.getLogger().level == logging.WARNING
        log.debug("debug %s", "line")
        log.info("info line")
        log.warning("warning line")

    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.WARNING)
    try:
        result = await run_function(talk)
    finally:
        logging.getLogger().setLevel(before)
    assert [(entry["level"], entry["message"], entry["logger"]) for entry in result.logs] == [
        ("debug", "debug line", "users.own"),
        ("info", "info line", "users.own"),
        ("warning", "warning line", "users.own"),
    ]
    assert process_log.lines == ["warning line"]


async def test_outside_of_runs_levels_and_streams_are_as_without_us(run_function: Execute, process_log: Collector):
    await run_function(lambda: None)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        print("outside")
    log.debug("dropped")
    assert not log.isEnabledFor(logging.DEBUG)
    assert output.getvalue() == "outside\n"
    assert process_log.lines == []


async def test_a_handler_that_prints_is_not_captured_a_second_time(run_function: Execute):
    own = logging.getLogger("with.handler")
    handler = logging.StreamHandler(io.StringIO())

    def talk() -> None:
        handler.setStream(sys.stderr)
        own.error("once")

    own.addHandler(handler)
    own.propagate = False
    try:
        result = await run_function(talk)
    finally:
        own.removeHandler(handler)
        own.propagate = True
    assert messages(result) == ["once"]


async def test_exceptions_and_extras_survive(run_function: Execute):
    def talk() -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            log.exception("it failed", extra={"order": 17, "tags": {"a"}})

    (entry,) = (await run_function(talk)).logs
    assert entry["level"] == "error"
    assert entry["data"]["order"] == 17
    assert entry["data"]["tags"] == ["a"]
    assert "ValueError: inner" in entry["data"]["exception"]


async def test_a_line_whose_arguments_can_not_be_formatted_is_kept(run_function: Execute):
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def talk() -> None:
        log.info("value %s", Broken())
        log.info("too few %s %s", 1)  # noqa: PLE1206

    lines = messages(await run_function(talk))
    assert len(lines) == 2
    assert lines[0].startswith("value %s")


def code_of_a_library(source: str) -> Callable[[], None]:
    """A function of a library that is installed beside the app."""
    namespace: dict[str, Any] = {"logging": logging}
    body = textwrap.indent(textwrap.dedent(source), "    ")
    exec(compile(f"def talk():\n{body}", "/venv/lib/python3/site-packages/library/talk.py", "exec"), namespace)
    return namespace["talk"]


@pytest.mark.parametrize("name", ["azure.core.pipeline", "shared.engine", "aiohttp.access", "asyncio"])
async def test_lines_of_sdks_and_the_platform_do_not_flood_a_run(run_function: Execute, name: str):
    talk = code_of_a_library(f"""
        logging.getLogger({name!r}).info("inner workings")
        logging.getLogger({name!r}).warning("worth knowing")
    """)

    assert messages(await run_function(lambda: talk())) == ["worth knowing"]


async def test_debug_lines_of_libraries_are_kept_only_where_the_author_asks_for_them(run_function: Execute):
    talk = code_of_a_library("""
        log = logging.getLogger("library.wire")
        log.debug("raw headers")
        log.info("request sent")
    """)

    def asks() -> None:
        logging.getLogger("library").setLevel(logging.DEBUG)
        talk()

    assert messages(await run_function(lambda: talk())) == ["request sent"]
    assert messages(await run_function(asks)) == ["raw headers", "request sent"]


async def test_own_lines_are_kept_whatever_the_name_of_their_logger(run_function: Execute):
    assert messages(await run_function(lambda: logging.getLogger("azure.mine").debug("own"))) == ["own"]


async def test_libraries_never_push_the_authors_lines_out(run_function: Execute):
    talk = code_of_a_library("""
        log = logging.getLogger("library")
        for number in range(14):
            log.info("noise %d", number)
    """)

    def calls_often() -> None:
        for number in range(1500):
            log.info("own %d", number)
            talk()

    result = await run_function(calls_often)
    assert [line for line in messages(result) if line.startswith("own")] == [f"own {number}" for number in range(1500)]
    assert messages(result)[-1] == f"{1500 * 14 - NOISE_LINES} further lines of libraries were left out"


async def test_what_a_library_sets_when_it_is_imported_is_for_its_own_lines_alone(run_function: Execute):
    source = """
    import logging
    logging.basicConfig(level=logging.ERROR)
    logging.disable(logging.ERROR)
    logging.getLogger("quiet").addHandler(logging.NullHandler())
    logging.getLogger("quiet").setLevel(logging.WARNING)
    """
    talk = code_of_a_library("""
        logging.getLogger("quiet.part").info("of the library")
    """)
    kept, root = io.StringIO(), logging.getLogger().handlers[:]

    def imports() -> None:
        exec(compile(textwrap.dedent(source), "/venv/lib/python3/site-packages/quiet/__init__.py", "exec"), {})
        logging.basicConfig(stream=kept, format="%(message)s", level=logging.INFO)
        log.info("own")
        talk()

    assert messages(await run_function(imports)) == ["own"]
    assert kept.getvalue() == "own\n"
    assert len(logging.getLogger("quiet").handlers) == 1
    assert logging.getLogger().handlers == root
    assert messages(await run_function(lambda: talk())) == []


def imported(file: Path, source: str) -> Any:
    """A module of a workspace, imported anew."""
    file.write_text(textwrap.dedent(source))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with importing():
        # Not by the loader, which may take a file of the same second for unchanged.
        exec(compile(file.read_text(), str(file), "exec"), vars(module))
    return module


async def test_what_a_files_top_sets_is_gone_when_its_next_version_does_not(run_function: Execute, tmp_path: Path):
    talks = """
    log = logging.getLogger("users.own")
    def talk():
        log.info("line")
    """
    before = imported(tmp_path / "flow.py", f'import logging\nlogging.disable("ERROR")\n{textwrap.dedent(talks)}')
    after = imported(tmp_path / "flow.py", f"import logging\n{textwrap.dedent(talks)}")
    assert messages(await run_function(before.talk)) == []
    assert messages(await run_function(after.talk)) == ["line"]
    assert messages(await run_function(before.talk)) == []


async def test_a_handler_at_a_files_top_serves_all_runs_of_that_file_and_no_other(
    run_function: Execute, tmp_path: Path
):
    module = imported(
        tmp_path / "flow.py",
        """
        import logging
        kept = []
        class Keeping(logging.Handler):
            def emit(self, record):
                kept.append(record.getMessage())
        logging.getLogger().addHandler(Keeping())
        def talk():
            logging.getLogger("users.own").info("line")
        """,
    )
    await run_function(module.talk)
    await run_function(module.talk)
    await run_function(lambda: log.info("other"))
    assert module.kept == ["line", "line"]


async def test_a_handler_of_the_authors_that_prints_something_else_is_heard(run_function: Execute):
    class Alerting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("alert sent")

    def talk() -> None:
        log.addHandler(Alerting(logging.ERROR))
        log.info("fine")
        log.error("bad")

    assert messages(await run_function(talk)) == ["fine", "bad", "alert sent"]


async def test_a_handler_of_the_authors_hears_nothing_of_the_platforms_own_lines(run_function: Execute):
    talk = code_of_a_library("""
        logging.getLogger("shared.executions").warning("of the platform")
    """)
    kept = io.StringIO()

    def listens() -> None:
        logging.basicConfig(stream=kept, format="%(message)s")
        log.warning("own")
        talk()

    assert messages(await run_function(listens)) == ["own", "of the platform"]
    assert kept.getvalue() == "own\n"


async def test_what_patches_loggers_after_us_sees_the_records_of_runs(
    run_function: Execute, monkeypatch: pytest.MonkeyPatch
):
    """As error trackers do."""
    await run_function(lambda: None)
    seen: list[str] = []
    before = logging.Logger.callHandlers

    def patched(self: logging.Logger, record: logging.LogRecord) -> None:
        seen.append(record.getMessage())
        before(self, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", patched)
    assert messages(await run_function(lambda: log.info("line"))) == seen == ["line"]


async def test_a_process_handler_that_guards_nothing_does_not_fail_a_run(run_function: Execute, process_log: Collector):
    class NoText:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    result = await run_function(lambda: log.warning(NoText()))
    assert result.status == "Success"
    assert process_log.lines == messages(result) == ["<NoText> (it can't be shown: RuntimeError)"]


async def test_print_without_a_newline_progress_bars_and_empty_lines(run_function: Execute):
    def talk() -> None:
        print("a", end="")
        print("b")
        print()
        print("10%\r50%\r100%")
        sys.stdout.writelines(["x\n", "y\n"])
        print("no end", end="", flush=True)

    assert messages(await run_function(talk), "stdout") == ["ab", "", "100%", "x", "y", "no end"]


async def test_what_was_written_before_a_failure_is_kept(run_function: Execute):
    def fails() -> None:
        print("before")
        raise ValueError

    assert messages(await run_function(fails)) == ["before"]


async def test_lines_after_the_end_are_dropped_and_counted(run_function: Execute):
    go, done = threading.Event(), threading.Event()

    def leaves_a_thread() -> None:
        def later() -> None:
            go.wait(10)
            print("late")
            done.set()

        threading.Thread(target=later).start()

    logs = LogBuffer()
    result = await run_function(leaves_a_thread, logs=logs)
    go.set()
    await asyncio.to_thread(done.wait, 10)
    assert messages(result) == []
    assert logs.late_lines == 1


async def test_stdin_and_its_pipe_are_not_read_by_a_run(run_function: Execute):
    assert (await run_function(lambda: sys.stdin.read())).result == ""
    assert (await run_function(lambda: list(sys.stdin))).result == []


async def test_levels_of_ones_own_and_stack_traces_survive(run_function: Execute):
    def talk() -> None:
        logging.addLevelName(25, "NOTICE")
        log.log(25, "notice")
        log.log(5, "very fine")
        log.log(60, "beyond critical")
        log.log(35, "in between")
        log.log(45, "worse")
        log.info("with stack", stack_info=True)

    result = await run_function(talk)
    assert [entry["level"] for entry in result.logs] == ["info", "debug", "critical", "warning", "error", "info"]
    assert "in talk" in result.logs[-1]["data"]["stack"]


async def test_streams_are_what_they_were_in_every_other_way(run_function: Execute):
    def ask() -> list[object]:
        return [sys.stdout.encoding, sys.stdin.encoding, sys.stdout.isatty()]

    assert (await run_function(ask)).result == [sys.stdout.encoding, sys.stdin.encoding, sys.stdout.isatty()]
    sys.stdout.flush()
