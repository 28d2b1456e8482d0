"""Intrinsic bonuses: counts, prediction errors, neighbors, elliptical memories, events, and products of them.

``base`` normalizes and posts a bonus, ``views`` and ``embedding`` decide what it looks at, ``count_tables`` counts.
"""
