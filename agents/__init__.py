if __name__ != "rewardax.agents":
    raise ImportError(f"import this package as rewardax.agents, not {__name__!r}")
