"""Names in Gymnasium's ``info`` that rewards publish under, so that environments know to leave them alone."""

REWARD_ENTRIES = ("reward_components", "reward_metrics", "task_reward", "episode_components")
