"""Several rewards at once: scalarisations, constraints with multipliers, and rewards relative to a reference."""
