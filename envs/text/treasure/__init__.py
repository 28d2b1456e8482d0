"""Treasure: keys, doors, containers, and a thing that has to get somewhere.

``env`` the rules; ``level`` state, parameters and levels; ``view`` what is seen and can be said; ``words`` its
sentences, commands and captions; ``oracle`` exact remaining steps.
"""
