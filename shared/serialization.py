"""stand-in"""

from __future__ import annotations
import json
from typing import Any

MAX_VALUE_BYTES = 10 * 1024 * 1024


def to_json(value: Any, *, max_bytes: int | None = MAX_VALUE_BYTES) -> Any:
    import dataclasses, datetime

    def d(o: Any) -> Any:
        if dataclasses.is_dataclass(o):
            return {f.name: getattr(o, f.name) for f in dataclasses.fields(o)}
        if isinstance(o, (datetime.date, datetime.datetime)):
            return o.isoformat()
        if isinstance(o, (set, frozenset, tuple)):
            return list(o)
        return str(o)

    return json.loads(json.dumps(value, default=d))


def dumps(value: Any) -> str:
    return json.dumps(to_json(value))


def result_type(value: Any) -> str:
    return "text" if isinstance(value, str) else "json"
