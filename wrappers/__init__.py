if __name__ != "rewardax.wrappers":
    raise ImportError(f"import this package as rewardax.wrappers, not {__name__!r}")
