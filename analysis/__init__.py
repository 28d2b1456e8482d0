"""Analysis of tasks, rewards and results: exact solutions of small tasks, statistics, pictures."""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "rewardax.analysis":
    raise ImportError(f"import this package as rewardax.analysis, not {__name__!r}")

# public name -> the module of this package that defines it
_NAMES = {
    name: module
    for module, names in {
        "stats": "Hacking Interval bootstrap_curve bootstrap_interval frames_to_threshold hacking "
        "intervals_overlap iqm optimality_gap probability_of_improvement smooth",
        "exact.mdp": "Joint reward_mdp",
        "exact.dense": "tabular",
        "distances.exact": "dard_canonical epic_canonical epic_distance minimal_canonical minimal_potential_canonical "
        "policy_values reward_norm starc_distance val_canonical val_potential_canonical",
        "distances.sampled": "sampled_epic sampled_starc",
        "audit.report": "Audit Farm Finding Score",
        "audit.run": "audit",
        "exact.certificate": "Certificate Worst certify normalised_regret",
        "audit.cycles": "Cycle farmable_cycles",
        "exact.sensitivity": "Cliff action_gap cliff_radius optimal_actions policy_cliff soft_policy",
        "signal": "autocorrelation component_statistics episodes_of group_statistics reward_statistics",
        "overoptimisation": "BestOfN CurveFit Overoptimisation best_of_n fit_curve held_out_gap "
        "kl_from_log_ratios read_run",
        "outcome_matrix": "Outcome outcome outcome_matrix performance_gate",
        "off_switch": "OffSwitch normal_belief off_switch",
        "judging.benchmarks": "best_of_credit fused_reward hull_vertices instruction_consistency one_against_many "
        "pairwise_accuracy response_consistency section_score step_aggregates ties_score",
        "judging.hard_negatives": "Trajectories accuracy_by_kind demonstrate edit find_failures load_rows "
        "make_negatives record save_rows succeeded trivial_separation",
        "exact.planning": "Solution backward_induction policy_value trajectory value_iteration",
        "plots": "colours learning_curves overview total_versus_task",
    }.items()
    for name in names.split()
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"rewardax.analysis.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'rewardax.analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
