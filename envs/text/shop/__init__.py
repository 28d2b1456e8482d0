"""Shop and GradedShop: search, look, choose, buy.

``env`` the rules of both; ``level`` state, parameters, catalogue, search and oracle; ``words`` its sentences, commands
and captions.
"""
