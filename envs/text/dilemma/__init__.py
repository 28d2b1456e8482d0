"""Dilemma: ten rounds of sharing or keeping with a partner of unknown kind; all of it is in ``env``."""
