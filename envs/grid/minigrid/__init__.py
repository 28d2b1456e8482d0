"""Bridge from the ``minigrid`` package: ``levels`` reads a live map, ``tasks`` finds our task for it."""
