"""Shaping: potentials that keep the best policy, advice about actions, and reward machines over events."""
