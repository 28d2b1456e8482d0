"""Grids and tables as text tasks."""
