"""Craft: make the goal by recipes on top of each other.

``env`` the rules; ``level`` state, parameters, recipes and what is lacking; ``words`` its sentences, commands and
captions.
"""
