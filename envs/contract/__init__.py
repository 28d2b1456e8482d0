"""Checks of tasks: :func:`rewardax.testing.check_env` and the measurement of whole episodes.

``check`` lists every broken rule; the rules are in ``core`` (the functional environment) and ``gym`` (the Gymnasium
environments). ``measure`` plays many episodes under a fixed policy.
"""
