"""Names of earlier versions, each with the present one: configurations and imports that use them still work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Classes of rewardax.wrappers, by their earlier name.
CLASSES: dict[str, str] = {
    "CRF": "ConcisenessReward",
}

# Fields of those classes, by the present name of the class and the earlier name of the field.
FIELDS: dict[str, dict[str, str]] = {
    "ActionAdvice": {"mode": "form"},
    "Blend": {"rule": "form"},
    "CGRPO": {"mode": "form", "score": "score_feature", "group": "group_feature"},
    "CaRL": {
        "mode": "form",
        "progress": "progress_feature",
        "excess": "excess_feature",
        "infraction": "infraction_feature",
        "hinted": "hinted_feature",
    },
    "ConcisenessReward": {"shortest": "shortest_feature"},
    "DLER": {"group": "group_feature"},
    "EMAGRPO": {"task": "task_feature", "group": "group_feature"},
    "Ensemble": {"objective": "form"},
    "EpisodicMemoryReward": {"query": "query_feature", "response": "response_feature"},
    "ExploRS": {"policy": "policy_feature"},
    "GARDO": {"embedding": "embedding_feature", "group": "group_feature"},
    "GDPO": {"group": "group_feature"},
    "GRPOLambda": {"group": "group_feature"},
    "Gate": {"kind": "form"},
    "HBPO": {"budget": "budget_feature", "group": "group_feature"},
    "HERON": {"objective": "form"},
    "HopProgress": {"mode": "form"},
    "MajorityNovelty": {
        "outcome": "outcome_feature",
        "embedding": "embedding_feature",
        "group": "group_feature",
    },
    "MedianLogistic": {"task": "task_feature"},
    "NovelD": {"count": "count_feature"},
    "OutcomeExploration": {"kind": "form", "outcome": "outcome_feature", "group": "group_feature"},
    "PreferenceReward": {"objective": "form"},
    "Progress": {"mode": "form"},
    "RIDE": {"count": "count_feature"},
    "RUDDER": {"factors": "factor_features"},
    "ReturnDecomposition": {"factors": "factor_features"},
    "SPA": {"factors": "factor_features", "grounding": "grounding_feature"},
    "Scalarise": {"kind": "form"},
    "SoftGate": {"kind": "form"},
    "SpanReward": {"ends": "ends_feature"},
    "Squash": {"kind": "form", "references": "references_feature"},
    "SuccessDistance": {"embedding": "embedding_feature", "group": "group_feature"},
    "TrustGRPO": {"score": "score_feature", "group": "group_feature"},
    "UncertaintyWeight": {"predictions": "predictions_feature"},
    "VSRM": {"discount": "gamma"},
    "VeRPO": {"checks": "checks_feature"},
}


def present_class(name: str) -> str:
    """The present name of a class.

    >>> present_class("CRF"), present_class("Clip")
    ('ConcisenessReward', 'Clip')
    """
    return CLASSES.get(name, name)


def present_fields(cls: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a configuration of class ``cls`` (present name) under their present names.

    A field that is given under both names keeps the present one's value.

    >>> present_fields("Gate", {"kind": "hard", "tau": [0.5]})
    {'form': 'hard', 'tau': [0.5]}
    """
    renamed = FIELDS.get(cls, {})
    return {renamed.get(name, name): value for name, value in fields.items() if renamed.get(name) not in fields}
