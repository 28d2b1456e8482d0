"""Rewards from a judge that looks at captions: labels arrive late, in batches, and stay in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.wrappers.bonuses.count_tables import Visits, add_visits
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


class Judged(RewardTransform):
    """Pay what a judge thinks of the caption of what just happened (ONI).

        r_t = scale·f(label[c]) / N_e(c)^exponent,   c = caption of o_{t+1}

    Captions are numbers into a list of sentences the environment has. Labels come from outside, through
    ``learn(feedback={component: {"caption": i32[K], "value": f32[K]}})``; a caption outside the table is
    padding, a value NaN is "no verdict", both are dropped. A caption without a label pays 0 and is visible in
    ``<component>/labeled``; it never counts as a bad label. :meth:`pending` lists what to ask the judge
    next.

    ==============  ==========================================================
    ``form``        f(label)
    ==============  ==========================================================
    ``"label"``     label
    ``"class"``     1[label > threshold], label = probability of "helpful"
    ``"rank"``      z·1[z > threshold], z = (label - mean)/√var, label = score
    ==============  ==========================================================

    N_e counts how often the caption occurred in this episode, now included, the first observation's caption
    as well.

    Paper: Zheng et al. 2024, "Online Intrinsic Rewards for Decision Making Agents from LLM Feedback"; Klissarov et al.
    2023 (Motif), whose reward :func:`motif` builds.
    Invariant: no
    Golden: llm_feedback_reward

    Args:
        num_captions: size of the label table.
        exponent: 0 pays every time; 3, as in ONI, makes repeats worthless quickly.

    Components: ``component``.
    Metrics: ``<component>/labeled`` (1 where a label exists).
    Remembers: the caption counts i32[N, num_captions], which every episode starts from zero; ``label`` f32[V] (NaN =
    none) and ``seen`` i32[V] for the whole run.

    Differs from the paper: the released ranking form mixes the raw score; here it is the normalized one.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data, judged = rollout(caption_id=[1, 2, 1]), Judged(num_captions=4, exponent=3.0)
    >>> labels = {"judge": {"caption": np.array([1]), "value": np.array([1.0])}}
    >>> state = replay(judged, data, feedback=labels)[1]
    >>> judged.pending(state).tolist()
    [0, 2]
    >>> state.shared["label"].tolist()
    [nan, 1.0, nan, nan]
    """

    num_captions: int = static(256)
    scale: float = 1.0
    exponent: float = 0.0
    form: str = static("label")
    threshold: float = 0.5
    mean: float = 0.0
    var: float = 1.0
    feature: str = static("caption_id")
    component: str = static("judge", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=("label", "class", "rank"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        ranked = cls(num_captions=8, mean=0.4, var=0.1, form="rank")
        return (cls(num_captions=8), cls(num_captions=8, exponent=3.0, form="class"), ranked)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    @staticmethod
    def pending(state: State) -> np.ndarray:
        """Caption ids i32[P] that occurred and have no label yet, most frequent first (host side)."""
        seen, label = np.asarray(state.shared["seen"]), np.asarray(state.shared["label"])
        seen = np.where(np.isnan(label), seen, 0).reshape(-1, seen.shape[-1]).sum(0)
        order = np.argsort(-seen, kind="stable")
        return order[seen[order] > 0].astype(np.int32)

    @property
    def num_labels(self) -> int:
        """Size of the label table: one entry per caption."""
        return self.num_captions

    def init(self, key: Array, example: Transition) -> State:
        label = jnp.full((self.num_captions,), jnp.nan, example.reward.dtype)
        seen = jnp.zeros((self.num_captions,), jnp.int32)
        visits = Visits.create(example.reward.shape[0], self.num_captions)
        return State(env=visits, shared={"label": label, "seen": seen})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        caption = transition.next_features[self.feature].astype(jnp.int32)
        start = transition.features[self.feature].astype(jnp.int32)
        count, visits = state.env.visit(caption, start, transition.first, True)
        seen = add_visits(state.shared["seen"], start, transition.first & transition.valid)
        seen = add_visits(seen, caption, transition.valid)
        label = state.shared["label"].at[caption].get(mode="fill", fill_value=jnp.nan)
        labeled = ~jnp.isnan(label)
        repeats = count.astype(label.dtype) ** (-jnp.asarray(self.exponent, label.dtype))
        value = self._form(jnp.where(labeled, label, 0)) * repeats
        rewards = rewards.log(f"{self.component}/labelled", labeled.astype(label.dtype))
        rewards = rewards.add(self.component, self.scale * jnp.where(labeled, value, 0))
        return rewards, State(env=visits, shared={**state.shared, "seen": seen})

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not feedback or self.component not in feedback:
            return rewards, state
        caption = jnp.asarray(feedback[self.component]["caption"], jnp.int32)
        value = jnp.asarray(feedback[self.component]["value"], state.shared["label"].dtype)
        usable = (caption >= 0) & ~jnp.isnan(value)
        label = state.shared["label"].at[jnp.where(usable, caption, self.num_captions)].set(value, mode="drop")
        return rewards, state._replace(shared={**state.shared, "label": label})

    def _form(self, label: Array) -> Array:
        if self.form == "label":
            return label
        if self.form == "class":
            return (label > self.threshold).astype(label.dtype)
        z = (label - self.mean) / jnp.sqrt(jnp.asarray(self.var, label.dtype))
        return jnp.where(z > self.threshold, z, 0)


def motif(scores: Any, quantile: float = 0.5, **fields: Any) -> Judged:
    """:class:`Judged` as in Motif: scores standardized by their own mean and std, cut at a quantile.

    ``scores`` are those of the data the judge's preferences were learned from; ``quantile`` in [0, 1] is
    interpolated.

    >>> round(motif([0.0, 1.0, 2.0, 5.0], exponent=3.0).threshold, 3)
    -0.267
    """
    values = np.asarray(scores, float)
    spread = values.std() or 1.0
    threshold = float(np.quantile((values - values.mean()) / spread, quantile))
    return Judged(form="rank", threshold=threshold, mean=float(values.mean()), var=float(spread**2), **fields)
