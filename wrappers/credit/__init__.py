"""Credit assignment: rewards of steps from outcomes, scores, plans, beliefs, and learned return decompositions."""
