"""dilemma: env (the task), level, words, view, oracle."""
