"""Whatever is stored or sent, as JSON: `values` says what becomes what, `foreign_values` reads those of libraries."""

from shared.serialization.values import MAX_DEPTH, MAX_VALUE_BYTES, dumps, result_to_json, to_json

__all__ = ["MAX_DEPTH", "MAX_VALUE_BYTES", "dumps", "result_to_json", "to_json"]
