"""Arithmetic on components: weights, bounds, masks, delays, normalizing, sums and products, expressions, schedules.

Helpers for the other rooms are here too: where episodes begin and end in a rollout, running moments, scopes.
"""
