if __name__ != "rewardax.analysis":
    raise ImportError(f"import this package as rewardax.analysis, not {__name__!r}")
