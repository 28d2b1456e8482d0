"""Checks of tasks: :func:`rewardax.testing.check_env` and the measurement of whole episodes.

``check`` lists every broken rule; the rules are in ``core`` (the functional environment), ``gym`` (the Gymnasium
environments of our tasks) and ``foreign`` (Gymnasium environments of others). ``measure`` plays many episodes under a
fixed policy.
"""
