"""graded_report: env (the task), level, words, view, oracle."""
