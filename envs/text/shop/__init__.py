"""Shop and GradedShop: search, look, choose, buy.

``env`` the rules of both; ``level`` state, parameters, catalog, search and oracle; ``words`` its sentences, commands
and captions.
"""
