"""Rewards: named components, transforms on them, and the wrappers that run them around an environment.

Everything here is imported on first use, so that ``import rewardax.wrappers`` is cheap and does not import
JAX.
"""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "rewardax.wrappers":
    raise ImportError(f"import this package as rewardax.wrappers, not {__name__!r}")

# public name -> the module of this package that defines it
_NAMES = {
    name: module
    for module, names in {
        "core": "Chain RewardTransform Rewards State Transition advance chain replay static",
        "algebra": "Clip Delay Mask Schedule Squash Tap Weights",
        "combine": "Freeze Minimum Product Sum",
        "normalise": "Normalise",
        "moments": "Moments",
        "schedules": "Cosine Curve Exponential Linear OptaxCurve Stepwise",
        "config": "from_config to_config",
        "checkpoint": "load save",
        "table": "describe",
        "shaping": "ActionAdvice Potential Progress",
        "gating": "GatedAccumulation",
        "gates": "Gate SoftGate",
        "carl": "CaRL",
        "outcomes": "CRF OutcomeLevels ReNorm SweetSpot",
        "scalarise": "Direction Scalarise",
        "ensembles": "Ensemble",
        "lagrangian": "Lagrangian",
        "expression": "ExpressionReward",
        "relative": "LengthPenalty MedianLogistic UncertaintyWeight log_sigmoid_centred par par_pipeline",
        "counts": "EpisodicCount GlobalCount first_visit_times_global",
        "events": "EventBonus",
        "rnd": "RND",
        "drnd": "DRND",
        "hashing": "HashCount",
        "icm": "ICM large_scale_curiosity",
        "ride": "RIDE",
        "neighbours": "NeighbourNovelty episode_novelty re3",
        "ngu": "EpisodicNeighbours LifelongModulator never_give_up",
        "memory_reward": "EpisodicMemoryReward",
        "skills": "agac_advantage agac_divergence diayn_reward phase_entropy_reward",
        "e3b": "E3B",
        "noveld": "NovelD bebold e3b_plus_noveld e3b_times_noveld e3b_times_rnd episodic_with_global",
        "machines": "RewardMachine",
        "step_scores": "ClipDelta SignedSum SpanReward",
        "progress": "PAV HopProgress ProverAdvantage",
        "turning_points": "VSRM TurningPoints",
        "plans": "JudgedSubgoals PlanMatch call subgoal_bonus",
        "belief": "InformationGain igpo spae",
        "min_form": "MinForm",
        "redistribution": "IRCR UniformRedistribution",
        "decomposition": "ReturnDecomposition lare",
        "rudder": "RUDDER",
        "attribution": "SPA",
        "explors": "ExploRS explob selfrs",
        "blend": "Blend",
        "judged": "Judged motif",
        "preferences": "preference_accuracy preference_loss",
        "teachers": "HierarchicalTeacher ScriptedTeacher Teacher boltzmann_teacher myopic_teacher noisy_teacher",
        "reward_model": "PreferenceReward ensemble_score",
        "implicit": "ImplicitProcessReward",
        "istar": "istar_advantages istar_loss",
        "similarity": "GoalSimilarity goal_similarity",
        "heron": "HERON heron_labels heron_loss heron_margins",
        "session": "RewardSession",
        "single": "RewardWrapper",
        "vector": "VectorRewardWrapper",
        "classic": "CountBonus GatedRewardAccumulation LLMJudgedReward PotentialShaping RNDBonus",
        "grouped": "CGRPO GRPOLambda MajorityNovelty OutcomeExploration SuccessDistance TrustGRPO",
        "group_normalised": "DLER EMAGRPO GARDO GDPO HBPO VeRPO",
        "contract": "ContractError check_reward",
    }.items()
    for name in names.split()
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"rewardax.wrappers.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'rewardax.wrappers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
