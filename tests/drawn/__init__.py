"""Strategies of hypothesis: shapes, values, layouts and arguments of calls that fgrad and torch answer alike."""
