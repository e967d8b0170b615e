"""What authors do with logging and streams, each in a workspace file of its own, and what must be in its run's log.

`python -m tests.support.authors_logging FILE` loads all of them into one process that logs as Azure's worker does, runs
each beside a neighbour, and writes what came of it, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
import textwrap
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HEAD = """
import asyncio, contextlib, gc, io, logging, logging.config, sys, threading, warnings
from shared.decorators import workflow
from _meanwhile import meanwhile

log = logging.getLogger("common")
"""


@dataclass(frozen=True)
class Row:
    """One thing that authors do.

    Attributes:
        name: of it.
        top: what stands at the top of the file.
        body: of the workflow.
        lines: patterns of the run's lines, in order.
    """

    name: str
    top: str
    body: str
    lines: list[str]

    @property
    def source(self) -> str:
        keyword = "async def" if "await " in self.body else "def"
        body = textwrap.indent(textwrap.dedent(self.body), "    ")
        return (
            f'{HEAD}\n{textwrap.dedent(self.top)}\n@workflow(name="{self.name}", execution_mode="sync")\n'
            f"{keyword} work():\n{body}\n"
        )


DICT_CONFIG = """
logging.config.dictConfig({
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
})
"""

ROWS = [
    Row("nothing", "", "log.debug('a'); print('b'); meanwhile(); log.info('c')", ["a", "b", "c"]),
    Row(
        "level_of_a_logger",
        "",
        "log.setLevel(logging.WARNING); log.info('no'); meanwhile(); log.warning('yes')",
        ["yes"],
    ),
    Row("level_at_the_top", "log.setLevel('ERROR')", "log.warning('no'); meanwhile(); log.error('yes')", ["yes"]),
    Row(
        "level_of_root",
        "",
        "logging.getLogger().setLevel(logging.INFO); log.debug('no'); meanwhile(); log.info('yes')",
        ["yes"],
    ),
    Row(
        "disable",
        "",
        "logging.disable(50); log.error('no'); meanwhile(); print('a'); logging.disable(0); log.info('b')",
        ["a", "b"],
    ),
    Row("disable_at_the_top", "logging.disable('INFO')", "log.info('no'); meanwhile(); log.warning('a')", ["a"]),
    Row("dict_config", "", f"{DICT_CONFIG}\nlog.debug('no'); meanwhile(); log.info('a'); print('b')", ["a", "b"]),
    Row("dict_config_at_the_top", DICT_CONFIG, "log.debug('no'); meanwhile(); log.info('a'); print('b')", ["a", "b"]),
    Row(
        "dict_config_of_a_helper",
        "from _configured import log",
        "log.debug('no'); meanwhile(); log.info('a')",
        ["a"],
    ),
    Row(
        "basic_config_at_the_top",
        "KEPT = io.StringIO()\nlogging.basicConfig(level=logging.INFO, stream=KEPT, format='%(message)s')",
        "log.debug('no'); meanwhile(); log.info('a'); print(KEPT.getvalue().strip())",
        ["a", "a"],
    ),
    Row(
        "basic_config_by_force",
        "",
        "logging.basicConfig(force=True, level=logging.DEBUG); log.debug('a'); meanwhile(); log.info('b')",
        ["a", "b"],
    ),
    Row(
        "handlers_cleared",
        "",
        """
        logging.getLogger().handlers.clear()
        for handler in logging.root.handlers[:]:
            logging.root.removeHandler(handler)
        log.info('a'); meanwhile(); log.info('b')
        """,
        ["a", "b"],
    ),
    Row(
        "own_handler_and_no_propagation",
        "",
        """
        kept = io.StringIO()
        log.addHandler(logging.StreamHandler(kept)); log.propagate = False
        log.info('a'); meanwhile(); log.info('b')
        print(kept.getvalue().split())
        """,
        ["a", "b", r"\['a', 'b'\]"],
    ),
    Row("disabled_logger", "", "log.disabled = True; log.error('no'); meanwhile(); print('a')", ["a"]),
    Row(
        "filter",
        "",
        "log.addFilter(lambda record: 'no' not in record.getMessage()); log.info('no'); meanwhile(); log.info('a')",
        ["a"],
    ),
    Row(
        "record_factory",
        "",
        """
        before = logging.getLogRecordFactory()
        def factory(*args, **kwargs):
            record = before(*args, **kwargs)
            record.msg = f'<{record.msg}>'
            return record
        logging.setLogRecordFactory(factory)
        log.info('a'); meanwhile(); log.info('b')
        """,
        ["<a>", "<b>"],
    ),
    Row(
        "level_renamed",
        "",
        """
        logging.addLevelName(logging.INFO, 'GREEN'); log.setLevel('GREEN')
        kept = io.StringIO(); handler = logging.StreamHandler(kept); log.addHandler(handler)
        handler.setFormatter(logging.Formatter('%(levelname)s'))
        log.debug('no'); meanwhile(); log.info('a'); print(kept.getvalue().strip())
        """,
        ["a", "GREEN"],
    ),
    Row("shut_down", "", "log.info('a'); logging.shutdown(); meanwhile(); log.info('b')", ["a", "b"]),
    Row(
        "warnings_captured",
        "",
        "logging.captureWarnings(True); meanwhile(); warnings.warn('careful', stacklevel=1)",
        [".*UserWarning: careful(.|\n)*"],
    ),
    Row(
        "show_warning_replaced",
        "",
        """
        warnings.showwarning = lambda message, *rest: print(f'shown {message}')
        meanwhile(); warnings.warn('careful', stacklevel=1)
        """,
        ["shown careful"],
    ),
    Row(
        "warnings_caught",
        "",
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always'); warnings.warn('careful', stacklevel=1); meanwhile()
        print(len(caught))
        """,
        ["1"],
    ),
    Row(
        "input",
        "",
        """
        try: input('name? '); print('no')
        except EOFError: print('nobody there')
        sys.stdin = io.StringIO('me\\n'); meanwhile(); print(input())
        """,
        [r"name\? nobody there", "me"],
    ),
    Row(
        "stdout_redirected",
        "",
        """
        with contextlib.redirect_stdout(io.StringIO()) as taken:
            print('inside'); meanwhile(); print('inside')
        print('a'); log.info(taken.getvalue().split())
        """,
        ["a", r"\['inside', 'inside'\]"],
    ),
    Row(
        "stderr_redirected_to_stdout",
        "",
        "with contextlib.redirect_stderr(sys.stdout): print('a', file=sys.stderr); meanwhile(); print('b')",
        ["a", "b"],
    ),
    Row(
        "stdout_replaced_for_good",
        "",
        "sys.stdout = io.StringIO(); print('no'); meanwhile(); print('no'); log.info('a')",
        ["a"],
    ),
    Row(
        "stdout_teed",
        "",
        """
        class Tee:
            def __init__(self, stream): self.stream, self.seen = stream, []
            def write(self, text): self.seen.append(text); return self.stream.write(text)
            def flush(self): self.stream.flush()
        sys.stdout = tee = Tee(sys.stdout)
        print('a'); meanwhile(); print('b')
        sys.stdout = sys.__stdout__
        print(tee.seen)
        """,
        ["a", "b", r"\['a', '\\n', 'b', '\\n'\]"],
    ),
    Row(
        "stdout_patched_as_tests_do",
        "from unittest import mock",
        "with mock.patch('sys.stdout', io.StringIO()): print('no'); meanwhile()\nprint('a')",
        ["a"],
    ),
    Row(
        "stderr_closed",
        "",
        """
        print('a', file=sys.stderr); sys.stderr.close(); meanwhile()
        try: print('no', file=sys.stderr)
        except ValueError as error: print(error)
        log.error('b')
        """,
        ["a", "I/O operation on closed file.", "b"],
    ),
    Row(
        "bytes",
        "",
        "sys.stdout.buffer.write('a\\nä'.encode()[:-1]); meanwhile(); sys.stdout.buffer.write('ä\\n'.encode()[1:])",
        ["a", "ä"],
    ),
    Row(
        "text_wrapper",
        "",
        """
        out = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')
        out.write('ä\\n'); out.flush(); meanwhile(); print('b', file=out); del out
        print('c')
        """,
        ["ä", "b", "c"],
    ),
    Row(
        "text_wrapper_put_in_place",
        "",
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8'); print('a'); meanwhile(); print('b')",
        ["a", "b"],
    ),
    Row(
        "text_wrapper_at_the_top",
        "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')",
        "print('ä'); meanwhile(); sys.stdout.write('b\\n')",
        ["ä", "b"],
    ),
    Row(
        "text_wrapper_kept_at_the_top",
        "OUT = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
        "OUT.write('a\\n'); meanwhile(); print('b', file=OUT)",
        ["a", "b"],
    ),
    Row(
        "streams_kept_at_the_top",
        "OUT, ERR = sys.stdout, sys.__stderr__",
        "print('a', file=OUT); meanwhile(); ERR.write('b\\n')",
        ["a", "b"],
    ),
    Row(
        "stream_handler_at_the_top",
        "log.addHandler(logging.StreamHandler(sys.stdout))",
        "log.info('a'); meanwhile(); log.info('b')",
        ["a", "b"],
    ),
    Row(
        "loguru",
        "from loguru import logger",
        "logger.info('a'); meanwhile(); logger.debug('b')",
        [r".*\| INFO .* - a", r".*\| DEBUG .* - b"],
    ),
    Row(
        "structlog_printing",
        "import structlog\nlogger = structlog.PrintLogger(sys.stdout)",
        "logger.msg('a'); meanwhile(); logger.msg('b')",
        ["a", "b"],
    ),
    Row(
        "structlog_by_logging",
        "import structlog\nlogger = structlog.wrap_logger(log, [structlog.stdlib.filter_by_level, "
        "structlog.stdlib.render_to_log_kwargs], wrapper_class=structlog.stdlib.BoundLogger)",
        "logger.debug('a'); meanwhile(); logger.info('b')",
        ["a", "b"],
    ),
    Row(
        "rich",
        "from rich.console import Console\nfrom rich.logging import RichHandler\n"
        "console = Console(file=sys.stdout, width=40)\nlog.addHandler(RichHandler(console=console))",
        "console.print('[bold]a[/bold]'); meanwhile(); log.info('b')",
        ["a", "b"],
    ),
    Row(
        "tqdm",
        "from tqdm import tqdm",
        "for _ in tqdm(range(3), desc='bar'): pass\nmeanwhile(); print('a')",
        ["bar: 100%.*3/3.*", "a"],
    ),
    Row(
        "click",
        "import click",
        "click.echo('a'); meanwhile(); click.echo(b'b'); click.secho('c', fg='red', err=True)",
        ["a", "b", "c"],
    ),
    Row(
        "dead_thread",
        "",
        """
        def die(): raise ValueError('dead')
        thread = threading.Thread(target=die, name='worker'); thread.start(); thread.join()
        meanwhile()
        """,
        ["Exception in thread worker: ValueError: dead"],
    ),
    Row(
        "hooks_replaced",
        "",
        """
        before = threading.excepthook
        def hook(arguments): print('mine'); before(arguments)
        threading.excepthook = hook
        sys.unraisablehook = lambda arguments: print('unraisable')
        meanwhile()
        thread = threading.Thread(target=lambda: 1 / 0, name='worker'); thread.start(); thread.join()
        """,
        ["mine", "Exception in thread worker: ZeroDivisionError: division by zero"],
    ),
    Row(
        "unraisable",
        "class Bad:\n    def __del__(self): raise ValueError('late')",
        "Bad(); meanwhile()",
        ["Exception ignored in.*__del__.*: ValueError: late"],
    ),
    Row(
        "forgotten_task",
        "",
        """
        async def fail(): raise ValueError('forgotten')
        asyncio.create_task(fail(), name='t')
        for _ in range(3): await asyncio.sleep(0)
        gc.collect(); await asyncio.to_thread(meanwhile)
        """,
        ["Task exception was never retrieved(.|\n)*"],
    ),
    Row(
        "handler_of_the_loop",
        "",
        """
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler() or type(loop).default_exception_handler
        def handler(loop, details): print('mine'); before(loop, details)
        loop.set_exception_handler(handler)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0); await asyncio.to_thread(meanwhile)
        """,
        ["mine", "Exception in callback(.|\n)*"],
    ),
    Row(
        "no_text",
        "class NoText:\n    def __str__(self): raise ValueError('no text')\n    __repr__ = __str__",
        "logging.info(NoText()); meanwhile(); log.warning('%s', NoText())",
        [r"<NoText> \(it can't be shown: ValueError\)", r"%s \(its arguments can't be formatted: ValueError\)"],
    ),
]

# Other files of the workspace: what two runs meet by, the neighbour, and a helper that sets logging up.
FILES = {
    "_meanwhile.py": """
        import threading
        reached, go_on = threading.Event(), threading.Event()
        def meanwhile():
            reached.set()
            assert go_on.wait(20)
        """,
    "neighbour.py": """
        import asyncio, logging, sys, threading, warnings
        import click
        from loguru import logger
        from shared.decorators import workflow
        log = logging.getLogger("common")
        own = logging.getLogger("neighbour")
        @workflow(name="neighbour", execution_mode="sync")
        async def neighbour():
            log.debug("n1"); own.info("n2"); logging.getLogger().debug("n3")
            print("n4"); print("n5", file=sys.stderr); sys.stdout.buffer.write(b"n6\\n"); click.echo(b"n7")
            logger.info("n8")
            thread = threading.Thread(target=lambda: print("n9")); thread.start(); thread.join()
            sys.__stdout__.write("n10\\n")
        """,
    "_configured.py": f"import logging, logging.config\n{DICT_CONFIG}\nlog = logging.getLogger('app')",
}
NEIGHBOURS_LINES = [*(f"n{number}" for number in range(1, 8)), ".* - n8", "n9", "n10"]


class WorkerHandler(logging.Handler):
    """Stands for the handler that Azure's worker puts on the root logger; it guards nothing either."""

    lines: list[str]

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {self.format(record)}")
        assert record.name != "platform" or record.levelname == "INFO"


async def outcomes(folder: Path) -> dict[str, Any]:
    """By row: what was in its log, in its neighbour's, and in the process's."""
    from shared.context import Caller
    from shared.discovery import Workspace
    from shared.engine import ExecutionRequest, execute
    from shared.settings.environment import load_settings

    worker = WorkerHandler(logging.INFO)
    worker.lines = []
    logging.getLogger().addHandler(worker)
    logging.getLogger().setLevel(logging.INFO)
    for name, text in FILES.items():
        (folder / name).write_text(textwrap.dedent(text))
    for row in ROWS:
        (folder / f"{row.name}_row.py").write_text(row.source)
    workspace = Workspace(replace(load_settings({}), workspace_path=folder))
    workspace.load()
    assert not workspace.load_errors, workspace.load_errors
    gates: Any = sys.modules["_meanwhile"]

    async def run(name: str) -> dict[str, Any]:
        result = await execute(ExecutionRequest(execution_id=name, caller=Caller("u"), name=name, config={}))
        return {
            "status": result.status,
            "error": result.error_message,
            "lines": [entry["message"] for entry in result.logs],
        }

    found: dict[str, Any] = {}
    for row in ROWS:
        gates.reached.clear()
        gates.go_on.clear()
        worker.lines = []
        own = asyncio.create_task(run(row.name))
        waiting = asyncio.create_task(asyncio.to_thread(gates.reached.wait, 20))
        await asyncio.wait({own, waiting}, return_when=asyncio.FIRST_COMPLETED)
        gates.reached.set()
        neighbour = await run("neighbour")
        logging.getLogger("platform").info("of the platform")
        print(f"out {row.name}")
        print(f"err {row.name}", file=sys.stderr)
        gates.go_on.set()
        found[row.name] = {"own": await own, "neighbour": neighbour, "process": worker.lines}
        logging.getLogger("platform").info("after it")
    found["threads"] = threading.active_count()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        came_of_it = asyncio.run(outcomes(Path(folder)))
    Path(sys.argv[1]).write_text(json.dumps(came_of_it))
