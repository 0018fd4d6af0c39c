"""Conditions that a candidate must meet before it may cost a query."""
