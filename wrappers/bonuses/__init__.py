"""Intrinsic bonuses: counts, prediction errors, neighbours, elliptical memories, events, and products of them.

``base`` normalises and posts a bonus, ``views`` and ``embedding`` decide what it looks at, ``count_tables`` counts.
"""
