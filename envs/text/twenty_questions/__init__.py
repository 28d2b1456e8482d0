"""TwentyQuestions: find out by questions which thing somebody thinks of.

``env`` the rules; ``level`` parameters, state, the table of the world, belief and exact values; ``words`` its
sentences, commands and captions.
"""
