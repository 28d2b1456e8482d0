"""Distances between rewards."""
