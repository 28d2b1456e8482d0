if __name__ != "rewardax.experiments":
    raise ImportError(f"import this package as rewardax.experiments, not {__name__!r}")
