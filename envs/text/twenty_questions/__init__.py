"""twenty_questions: env (the task), level, words, view, oracle."""
