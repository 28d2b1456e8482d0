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
        "algebra.pointwise": "Clip Delay Mask Schedule Squash Tap Weights",
        "algebra.combine": "Freeze Minimum Product Sum",
        "algebra.normalise": "Normalise",
        "algebra.moments": "Moments",
        "algebra.schedules": "Cosine Curve Exponential Linear OptaxCurve Stepwise",
        "config": "from_config to_config",
        "checkpoint": "load save",
        "describe": "describe",
        "shaping.potential": "ActionAdvice Potential Progress",
        "gates.accumulation": "GatedAccumulation",
        "gates.levels": "Gate SoftGate",
        "gates.carl": "CaRL",
        "gates.outcomes": "CRF OutcomeLevels ReNorm SweetSpot",
        "multi.scalarise": "Direction Scalarise",
        "learned.ensembles": "Ensemble",
        "multi.lagrangian": "Lagrangian",
        "algebra.expression": "ExpressionReward",
        "multi.relative": "LengthPenalty MedianLogistic UncertaintyWeight log_sigmoid_centred par par_pipeline",
        "bonuses.counts": "EpisodicCount GlobalCount first_visit_times_global",
        "bonuses.events": "EventBonus",
        "bonuses.rnd": "RND",
        "bonuses.drnd": "DRND",
        "bonuses.hash_count": "HashCount",
        "bonuses.icm": "ICM large_scale_curiosity",
        "bonuses.ride": "RIDE",
        "bonuses.neighbours": "NeighbourNovelty episode_novelty re3",
        "bonuses.ngu": "EpisodicNeighbours LifelongModulator never_give_up",
        "bonuses.memory": "EpisodicMemoryReward",
        "bonuses.skills": "agac_advantage agac_divergence diayn_reward phase_entropy_reward",
        "bonuses.e3b": "E3B",
        "bonuses.noveld": "NovelD bebold e3b_plus_noveld e3b_times_noveld e3b_times_rnd episodic_with_global",
        "shaping.machines": "RewardMachine",
        "credit.step_scores": "ClipDelta SignedSum SpanReward",
        "credit.progress": "PAV HopProgress ProverAdvantage",
        "credit.turning_points": "VSRM TurningPoints",
        "credit.plans": "JudgedSubgoals PlanMatch call subgoal_bonus",
        "credit.belief": "InformationGain igpo spae",
        "credit.min_form": "MinForm",
        "credit.redistribution": "IRCR UniformRedistribution",
        "credit.decomposition": "ReturnDecomposition lare",
        "credit.rudder": "RUDDER",
        "credit.attribution": "SPA",
        "credit.explors": "ExploRS explob selfrs",
        "credit.blend": "Blend",
        "judges.reward": "Judged motif",
        "learned.preferences": "preference_accuracy preference_loss",
        "learned.teachers": "HierarchicalTeacher ScriptedTeacher Teacher boltzmann_teacher myopic_teacher "
        "noisy_teacher",
        "learned.preference_reward": "PreferenceReward ensemble_score",
        "learned.implicit": "ImplicitProcessReward",
        "learned.istar": "istar_advantages istar_loss",
        "learned.similarity": "GoalSimilarity goal_similarity",
        "learned.heron": "HERON heron_labels heron_loss heron_margins",
        "gym.session": "RewardSession",
        "gym.single": "RewardWrapper",
        "gym.vector": "VectorRewardWrapper",
        "gym.classic": "CountBonus GatedRewardAccumulation LLMJudgedReward PotentialShaping RNDBonus",
        "groups.transforms": "CGRPO GRPOLambda MajorityNovelty OutcomeExploration SuccessDistance TrustGRPO",
        "groups.normalised": "DLER EMAGRPO GARDO GDPO HBPO VeRPO",
        "contract.check": "ContractError check_reward",
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
