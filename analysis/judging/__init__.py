"""Benchmarks of reward models."""
