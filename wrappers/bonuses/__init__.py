"""Intrinsic bonuses."""
