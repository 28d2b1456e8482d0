"""Our tasks as Gymnasium environments.

``single`` is one environment, ``vector`` many in one compiled call. ``program`` holds the compiled functions of both,
``batch`` those of many environments and the levels made ahead, ``state`` saves and restores.
"""
