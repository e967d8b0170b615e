"""The values and secrets that a run finds."""
