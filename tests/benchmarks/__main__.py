"""`python3 -m dev bench`"""

from __future__ import annotations

import asyncio

from tests.benchmarks import engine, imports
from tests.benchmarks.report import show

if __name__ == "__main__":
    show([*asyncio.run(engine.figures()), *imports.figures()])
    print(f"import function_app pulls in: {', '.join(imports.packages())}")
