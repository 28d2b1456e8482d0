"""Cooking: gather, cut and cook what a recipe wants, and eat it.

``env`` the rules; ``level`` state, parameters, levels and subgoals; ``view`` what is seen and can be said; ``words``
its sentences, commands and captions; ``oracle`` exact remaining steps.
"""
