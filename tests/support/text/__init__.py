"""Playing text tasks: ``play`` for all families, ``search`` for oracles, a file for what one family needs."""
