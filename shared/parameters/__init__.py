"""A function's parameters: what its signature says, their types, and how input becomes arguments."""
