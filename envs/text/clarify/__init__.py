"""Clarify: ask what the user wants, or act on a guess.

``env`` the task; ``words`` its sentences, commands and captions.
"""
