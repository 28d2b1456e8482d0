"""Potentials and reward machines."""
