"""Several rewards at once: scalarizations, constraints with multipliers, and rewards relative to a reference."""
