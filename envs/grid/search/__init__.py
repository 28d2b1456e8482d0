"""Exact steps to go."""
