"""make24: env (the task), level, words, view, oracle."""
