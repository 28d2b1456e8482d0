if __name__ != "rewardax.envs":
    raise ImportError(f"import this package as rewardax.envs, not {__name__!r}")
