"""Rewards relative to a group of episodes."""
