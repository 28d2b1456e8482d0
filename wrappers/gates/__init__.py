"""Gates and rewards around the outcome."""
