"""Levels and tasks of the minigrid package."""
