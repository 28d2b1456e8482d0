"""Rewards learned from preferences and outcomes."""
