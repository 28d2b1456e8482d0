"""Exact numbers of steps to the goal in grid tasks.

``layers`` for tasks in which the agent walks and does a few things once, ``carrying`` for those in which things are
carried about, ``two_rooms_table`` for rooms that are enumerated.
"""
