"""Audits of rewards."""
