"""Rewards around Gymnasium environments: one environment, a vector of them, and the session both are made of."""
