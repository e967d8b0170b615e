"""A run that takes its time: it is enqueued, reports its progress, and can be followed while it works.

It has no `@param`: name, type, default and "required" come from the signature, and a plain `def` runs in a thread of
its own, so that it may block as it likes.
"""

import logging
import time

from examples._orders import Order, read_orders

from shared.context import ExecutionContext
from shared.decorators import workflow
from shared.errors import UserError

logger = logging.getLogger(__name__)


@workflow(name="import_orders", description="Imports orders, line by line", category="Examples", timeout_seconds=120)
def import_orders(context: ExecutionContext, lines: list[str], seconds_per_order: float = 0.1) -> dict[str, object]:
    if not lines:
        raise UserError("There is nothing to import: lines is empty")
    imported: list[Order] = []
    refused: list[str] = []
    for number, order in enumerate(read_orders(lines), start=1):
        if context.cancelled:
            break
        if isinstance(order, Order):
            time.sleep(seconds_per_order)  # the other system takes its time
            logger.info("Imported order %s", order.number)
            imported.append(order)
        else:
            logger.warning("Line %d is no order: %s", number, order)
            refused.append(order)
        context.report_progress(number / len(lines), f"{number} of {len(lines)} lines")
    context.save_checkpoint("imported", imported)
    # `success: False` ends the run as CompletedWithErrors, with `error` as its message.
    return {
        "success": not refused,
        "error": f"{len(refused)} of {len(lines)} lines are no orders" if refused else None,
        "imported": len(imported),
        "total": sum(order.amount for order in imported),
        "refused": refused,
    }
