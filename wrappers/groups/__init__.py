"""Rewards relative to a group of episodes: one file for each method, with its rule or score and its transform.

The rules and scores are pure functions of rows ``[E]``, one row an episode, with ``group`` i32[E] (who belongs
together) and ``mask`` bool[E] (who counts; other rows get 0); agents call them directly. They share ``statistics``
(group means, deviations, ranks) and ``base`` (the complete episodes of a rollout, and the transform around a verdict).
What these transforms give an episode is an advantage within its group, hence centered: meant for agents whose baseline
it does not disturb.
"""
