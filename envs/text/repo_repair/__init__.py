"""RepoRepair and VisibleTests: find the bug in a small code base, set it right, submit.

``env`` the rules of RepoRepair; ``visible_tests`` the same with a reward for the tests that one can see; ``level``
state, parameters, levels, tests and oracle; ``words`` its sentences, commands and captions.
"""
