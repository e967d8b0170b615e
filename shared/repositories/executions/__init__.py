"""Recorded executions: one main row each, and a row in each list that it belongs to."""
