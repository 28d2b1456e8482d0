"""craft: env (the task), level, words, view, oracle."""
