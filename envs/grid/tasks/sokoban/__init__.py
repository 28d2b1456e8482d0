"""Sokoban: the task in ``env``, its generator of levels in ``level``, its exact solver in ``search``."""
