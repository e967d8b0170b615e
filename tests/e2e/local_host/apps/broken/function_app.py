"""An app that can't be imported."""

import no_such_module_anywhere  # noqa: F401 # pyright: ignore[reportMissingImports]
