"""Verbalized: grids and tables as text tasks.

``base`` what both share; ``grid`` TextGrid, with its sentences in ``grid_words``; ``table`` TextTable.
"""
