"""Gates: rewards that count only as far as something more important was reached, at a step or at an episode's end."""
