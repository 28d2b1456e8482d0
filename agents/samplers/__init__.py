"""Ways to collect experience: fixed stretches of ongoing episodes, or whole episodes in groups of one level.

A sampler has ``begin(world, net, key)``, what it carries from one rollout to the next, and ``collect(world, net,
collector, key, feedback)``, which returns that again with a :class:`~rewardax.agents.batch.Batch` and metrics.
"""
