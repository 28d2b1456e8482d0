"""Credit assignment: rewards of steps from outcomes, scores, plans, beliefs, and learnt return decompositions."""
