"""The life of a recorded execution."""
