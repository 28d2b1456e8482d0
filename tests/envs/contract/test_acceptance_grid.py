"""The acceptance tests on grid tasks, small. ``python -m tests.coverage_of_envs`` runs them in full on all ids."""

from __future__ import annotations

from support.acceptance import suite

test_acceptance = suite("grid")
