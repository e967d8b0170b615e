"""A helper module: its name begins with `_`, so it is no workflow file, and workflow files import it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


@dataclass(frozen=True)
class Order:
    """An order of the other system."""

    number: str
    amount: Decimal


def read_orders(lines: Iterable[str]) -> Iterator[Order | str]:
    """Each line as an order (`number;amount`), or as it is when it is none."""
    for line in lines:
        number, _, amount = line.partition(";")
        try:
            yield Order(number.strip(), Decimal(amount))
        except InvalidOperation:
            yield line
