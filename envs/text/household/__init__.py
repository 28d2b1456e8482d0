"""Household: find things, clean, heat or cool them, and put them where the task wants them.

``env`` the rules; ``level`` state, parameters, levels and subgoals; ``view`` what is seen and can be said; ``words``
its sentences, commands and captions; ``oracle`` exact remaining steps.
"""
