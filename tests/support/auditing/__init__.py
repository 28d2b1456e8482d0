"""Environments with known faults, and what an audit should say of them."""
