"""Names of earlier versions, each with the present one: configurations and imports that use them still work."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from rewardax.base.errors import UserTypeError

# Classes of rewardax.wrappers, by their earlier name.
CLASSES: dict[str, str] = {
    "CRF": "ConcisenessReward",
    "EpisodicNeighbours": "EpisodicNeighbors",
    "NeighbourNovelty": "NeighborNovelty",
    "Normalise": "Normalize",
    "Scalarise": "Scalarize",
}

# Other public names of rewardax.wrappers and rewardax.analysis.
OTHERS: dict[str, str] = {
    "Overoptimisation": "Overoptimization",
    "colours": "colors",
    "log_sigmoid_centred": "log_sigmoid_centered",
    "normalised_regret": "normalized_regret",
}

# Fields of those classes, by the present name of the class and the earlier name of the field.
FIELDS: dict[str, dict[str, str]] = {
    "ActionAdvice": {"mode": "form"},
    "Blend": {"rule": "form"},
    "CGRPO": {"mode": "form", "score": "score_feature", "group": "group_feature", "normalise": "normalize"},
    "CaRL": {
        "mode": "form",
        "progress": "progress_feature",
        "excess": "excess_feature",
        "infraction": "infraction_feature",
        "hinted": "hinted_feature",
    },
    "ConcisenessReward": {"shortest": "shortest_feature"},
    "DLER": {"group": "group_feature"},
    "DRND": {"normalise": "normalize"},
    "E3B": {"normalise": "normalize"},
    "EMAGRPO": {"task": "task_feature", "group": "group_feature"},
    "Ensemble": {"objective": "form", "centres": "centers"},
    "EpisodicMemoryReward": {"query": "query_feature", "response": "response_feature"},
    "EpisodicNeighbors": {"normalise": "normalize"},
    "ExploRS": {"policy": "policy_feature", "learnt": "learned"},
    "GARDO": {"embedding": "embedding_feature", "group": "group_feature"},
    "GDPO": {"group": "group_feature"},
    "GRPOLambda": {"group": "group_feature"},
    "Gate": {"kind": "form"},
    "HBPO": {"budget": "budget_feature", "group": "group_feature"},
    "HERON": {"objective": "form", "normalise": "normalize", "centring": "centering"},
    "HashCount": {"normalise": "normalize", "centre": "center"},
    "HopProgress": {"mode": "form"},
    "ICM": {"normalise": "normalize"},
    "LifelongModulator": {"normalise": "normalize"},
    "MajorityNovelty": {"outcome": "outcome_feature", "embedding": "embedding_feature", "group": "group_feature"},
    "MedianLogistic": {"task": "task_feature"},
    "NeighborNovelty": {"normalise": "normalize"},
    "NovelD": {"count": "count_feature", "normalise": "normalize"},
    "OutcomeExploration": {"kind": "form", "outcome": "outcome_feature", "group": "group_feature"},
    "PreferenceReward": {"objective": "form", "normalise": "normalize", "centring": "centering"},
    "Progress": {"mode": "form"},
    "RIDE": {"count": "count_feature", "normalise": "normalize"},
    "RND": {"normalise": "normalize"},
    "RUDDER": {"factors": "factor_features"},
    "ReturnDecomposition": {"factors": "factor_features"},
    "SPA": {"factors": "factor_features", "grounding": "grounding_feature"},
    "Scalarize": {"kind": "form"},
    "SoftGate": {"kind": "form"},
    "SpanReward": {"ends": "ends_feature", "centre": "center"},
    "Squash": {"kind": "form", "references": "references_feature", "centre": "center"},
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


def with_earlier_fields(cls: str, init: Callable[..., None]) -> Callable[..., None]:
    """The ``__init__`` of class ``cls`` (present name), which also takes its fields by their earlier names.

    >>> import warnings
    >>> from rewardax.wrappers import Gate
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     Gate(kind="hard").form, str(said[0].message)
    ('hard', "Gate: 'kind' is called 'form'")

    Raises:
        UserTypeError: when the object is made: a field is given by both names.
    """

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in FIELDS[cls].keys() & kwargs.keys():
            if FIELDS[cls][name] in kwargs:  # as in replace(), which gives every field
                raise UserTypeError(f"{cls}: {name!r} is called {FIELDS[cls][name]!r}; give it by that name only")
            warnings.warn(f"{cls}: {name!r} is called {FIELDS[cls][name]!r}", DeprecationWarning, stacklevel=2)
        init(self, *args, **present_fields(cls, kwargs))

    return __init__


def earlier_attribute(self: Any, name: str) -> Any:
    """``__getattr__`` of a result that still has its attributes by their earlier names.

    Raises:
        AttributeError: as usual.
    """
    if name not in OTHERS:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    warnings.warn(f"{type(self).__name__}: {name!r} is called {OTHERS[name]!r}", DeprecationWarning, stacklevel=2)
    return getattr(self, OTHERS[name])
