"""Options of dropdowns, and the cache of their answers."""
