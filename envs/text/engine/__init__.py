"""What all text tasks share: pages, words, views, turns, the frame of a task, and maps of rooms.

``words`` what a family says; ``pages`` lines of an observation; ``view`` observations and commands; ``turn`` an action
taken apart; ``env`` TextEnv, features and the end of a step; ``world`` maps of rooms and random draws.
"""
