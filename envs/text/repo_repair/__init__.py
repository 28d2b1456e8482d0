"""repo_repair: env (the task), level, words, view, oracle."""
