"""Rewards that are trained: from preferences, outcomes and embeddings; teachers, networks and the fitting loop."""
