"""Exact solutions of small tasks."""
