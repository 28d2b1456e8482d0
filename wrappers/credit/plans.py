"""Subgoals and plans: what was done against what should be done, by matching or by a judge's verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.choices import check_choice
from rewardax.base.errors import UserError
from rewardax.base.names import Names, bits_of, positions
from rewardax.wrappers.bonuses.count_tables import add_visits
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.credit.min_form import returns_to_go
from rewardax.wrappers.groups.statistics import group_count, group_zscore
from rewardax.wrappers.judges.reward import Judged

Call = tuple[str, tuple[tuple[str, Any], ...]]  # name, (parameter, value) pairs


def call(name: str, **arguments: Any) -> Call:
    """A call, e.g. of a tool or of a subgoal, as hashable data: verb and parameters.

    >>> call("pickup", color="red")
    ('pickup', (('color', 'red'),))
    """
    return name, tuple(arguments.items())


def call_similarity(predicted: Sequence[Call], reference: Sequence[Call]) -> np.ndarray:
    """Similarities f64[P, R] in [0, 1] of calls: (1 + J + v)/(2 + n), and 0 if the names differ (but for case).

    J is the Jaccard index of the parameter names (1 if both have none), v the number of the reference's parameters
    with exactly the same value, n their number.

    >>> call_similarity([call("goto", x=1)], [call("goto", x=1), call("GoTo", x=2, y=1), call("drop")]).tolist()
    [[1.0, 0.375, 0.0]]
    """

    def one(a: Call, b: Call) -> float:
        (name, given), (wanted_name, wanted) = (a[0], dict(a[1])), (b[0], dict(b[1]))
        if name.lower() != wanted_name.lower():
            return 0.0
        union = given.keys() | wanted.keys()
        jaccard = len(given.keys() & wanted.keys()) / len(union) if union else 1.0
        same = sum(key in given and given[key] == value for key, value in wanted.items())
        return (1 + jaccard + same) / (2 + len(wanted))

    return np.array([[one(a, b) for b in reference] for a in predicted], float).reshape(len(predicted), len(reference))


def assign(similarity: np.ndarray, assignment: str = "greedy") -> np.ndarray:
    """One-to-one matching i32[P]: the reference each prediction is matched to, -1 for none.

    ``"greedy"`` takes pairs by decreasing similarity, ties in reading order (the released code, which calls it
    Hungarian); ``"optimal"`` maximizes the sum. Only positive similarities are matched.

    >>> table = np.array([[0.9, 0.8], [0.8, 0.0]])
    >>> assign(table).tolist(), assign(table, "optimal").tolist()
    ([0, -1], [1, 0])
    """
    check_choice("assign", "assignment", assignment, ("greedy", "optimal"))
    matched = np.full(len(similarity), -1, np.int32)
    if assignment == "optimal":
        from scipy.optimize import linear_sum_assignment

        pairs = zip(*linear_sum_assignment(similarity, maximize=True), strict=True)
    else:
        order = np.argsort(-similarity, axis=None, kind="stable")
        pairs = zip(*np.unravel_index(order, similarity.shape), strict=True)
    taken: set[int] = set()
    for i, j in pairs:
        if similarity[i, j] > 0 and matched[i] < 0 and j not in taken:
            matched[i] = j
            taken.add(j)
    return matched


def match_rewards(similarity: np.ndarray, assignment: str = "greedy", unmatched: float = 0.0) -> np.ndarray:
    """Reward f64[P] of each predicted call: the similarity to its match, ``unmatched`` without one.

    >>> match_rewards(np.array([[0.9, 0.8], [0.8, 0.0]]), unmatched=-0.5).tolist()
    [0.9, -0.5]
    """
    matched = assign(similarity, assignment)
    found = [unmatched if j < 0 else similarity[i, j] for i, j in enumerate(matched)]
    return np.asarray(found, float)


def match_advantages(
    rewards: Array,
    mask: Array,
    group: Array,
    gamma: float | Array = 0.9,
    eps: float | Array = 1e-6,
    ddof: int = 1,
) -> tuple[Array, Array, Array]:
    """MatchTIR's two levels: advantages [E] of episodes, [E, T] of turns, and half of each together [E, T].

    Episodes are compared by their total, turns by their discounted reward to go with the turns of the same number in
    the group i32[E]; both are z-scores. What stands alone in its comparison keeps its raw value.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> _, turns, _ = match_advantages(jnp.array([[1.0, 0.5], [0.0, 0.0]]), jnp.array([[True, True], [True, False]]),
    ...                                jnp.array([0, 0]), gamma=1.0)
    >>> numbers(turns)
    [0.707, 0.5, -0.707, 0.0]
    """

    def compare(values: Array, counts: Array) -> Array:
        single = counts & (group_count(group, counts, values.dtype) == 1)
        return jnp.where(single, values / (1 + eps), group_zscore(values, group, counts, eps, ddof))

    whole = compare(jnp.where(mask, rewards, 0).sum(-1), jnp.ones(group.shape, bool))
    turns = jax.vmap(compare, 1, 1)(returns_to_go(rewards, mask, gamma=gamma), mask)
    return whole, turns, jnp.where(mask, (whole[:, None] + turns) / 2, 0)


class PlanMatch(RewardTransform):
    """MatchTIR on subgoals: pay executed subgoals for being in a reference plan, each entry of the plan once.

    Every event bit is a call (verb and parameters). When it happens it takes the most similar entry of the plan that
    is still open in this episode, ties to the earlier one, and earns the similarity; without a similar open entry it
    earns ``unmatched``. A step with several calls gets their mean, a step without a call 0. Doing the same thing twice
    pays twice only if the plan asks for it twice.

    Paper: "MatchTIR" 2026 (quchangle1/MatchTIR).

    Invariant: no

    Golden: bipartite_match

    Args:
        calls: what each bit of the feature means, from :func:`call`; ``None`` for bits that are not calls. More bits
            than calls: the rest is ignored.
        bits: where that is otherwise, the bit of each call, by name (an environment's ``event_names`` or
            ``subgoal_names``) or by position.
        plan: the reference calls; their order does not matter.
        unmatched: reward of a call that nothing in the plan is open for, at most 0 usually.
        feature: bool[N, E] of o_{t+1}.

    Components: ``component``.
    Metrics: ``<component>/open``, number of plan entries still open.
    Remembers: which entries are taken until the episode ends.

    Raises:
        UserError: if there are more calls than bits, or when attached, for a name that no bit has.

    Differs from the paper: calls are matched as they come, so that the reward is causal; the paper matches whole
    episodes by decreasing similarity (:func:`match_rewards`).

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> take, leave = call("take", thing="key"), call("drop", thing="key")
    >>> reward = PlanMatch(calls=(take, leave), plan=(take,), unmatched=-0.5, feature="events")
    >>> numbers(replay(reward, rollout(events=[[1, 0], [0, 0], [0, 1], [1, 0]]))[0].components["plan"])
    [1.0, 0.0, -0.5, -0.5]
    """

    calls: tuple[Call | None, ...] = static((("a", ()),))
    plan: tuple[Call, ...] = static((("a", ()),))
    scale: float = 1.0
    unmatched: float = 0.0
    bits: tuple[int | str, ...] | None = static(None)
    feature: str = static("subgoal_event")
    component: str = static("plan", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        here, there = call("goto", room=1), call("goto", room=2)
        return (cls(calls=(here, there), plan=(there, there, call("goto")), unmatched=-0.5),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def __post_init__(self) -> None:
        if self.bits is not None and len(self.bits) != len(self.calls):
            raise UserError(f"PlanMatch: {len(self.calls)} calls, but {len(self.bits)} bits; name one bit per call.")

    def bind(self, names: Names) -> PlanMatch:
        if self.bits is None:
            return self
        return self.replace(bits=positions("PlanMatch", self.bits, self.feature, names))

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=jnp.zeros((example.reward.shape[0], len(self.plan)), bool))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        happened = bits_of("PlanMatch", transition.next_features, self.feature)
        bits = positions("PlanMatch", range(len(self.calls)) if self.bits is None else self.bits, self.feature, {})
        if not all(0 <= i < happened.shape[-1] for i in bits):
            raise UserError(
                f"PlanMatch: {len(self.calls)} calls of the bits {bits}, but feature {self.feature!r} has "
                f"{happened.shape[-1]} bits."
            )
        taken = state.episode
        total = calls = jnp.zeros(transition.reward.shape, dtype)
        for i, executed in zip(bits, self.calls, strict=True):
            if executed is None:
                continue
            likeness = jnp.asarray(call_similarity([executed], self.plan)[0], dtype)
            open_ones = jnp.where(taken, 0, likeness)
            best, score = jnp.argmax(open_ones, -1), jnp.max(open_ones, -1, initial=0)
            match = happened[:, i] & (score > 0)
            taken = taken | (match[:, None] & (jnp.arange(len(self.plan)) == best[:, None]))
            total = total + jnp.where(happened[:, i], jnp.where(match, score, self.unmatched), 0)
            calls = calls + happened[:, i].astype(dtype)
        rewards = rewards.add(self.component, self.scale * total / jnp.maximum(calls, 1))
        return rewards.log(f"{self.component}/open", (~taken).sum(-1).astype(dtype)), State(episode=taken)


def subgoal_bonus(
    weights: Sequence[float] | Mapping[str, float],
    feature: str = "verdicts",
    once: bool = True,
    component: str = "subgoals",
) -> EventBonus:
    """CALM: pay ``weights[k]`` when the judge says that a step achieved subgoal k, at most once per episode.

    ``feature`` bool[N, K] holds the verdicts on the step. The weights of subgoals that a task names can be given by
    name, ``{"key": 1.0}`` with ``feature="subgoal_event"``. Unlimited payment (``once=False``) makes loops worthwhile:
    pick up, put down, pick up.

    Paper: "Assessing the Zero-Shot Capabilities of LLMs for Action Evaluation in RL" 2024 (CALM).

    Golden: subgoal_reward

    >>> subgoal_bonus((1.0, 0.5)).events
    (0, 1)
    """
    events: tuple[int | str, ...] = tuple(weights) if isinstance(weights, Mapping) else tuple(range(len(weights)))
    scale = tuple(weights.values() if isinstance(weights, Mapping) else weights)
    return EventBonus(events=events, scale=scale, latched=once, feature=feature, component=component)


class JudgedSubgoals(RewardTransform):
    """CALM with a judge whose verdicts come late: pay each subgoal once per episode when a caption achieves it.

    The judge answers "was subgoal k achieved by what this caption says?" once for every pair, and the verdict is kept.
    Pair c·K + k of caption c and subgoal k is item number c·K + k for the judge; :meth:`questions` writes them down,
    :meth:`pending` lists what to ask, and labels come as ``feedback={component: {"caption": items i32[P],
    "value": f32[P]}}``, as for :class:`Judged`. A pair without a verdict pays nothing and is not a "no"::

        r_t = Σ_k weight_k·1[verdict(c, k) >= 0.5]·1[k not yet rewarded in this episode]

    Paper: "Assessing the Zero-Shot Capabilities of LLMs for Action Evaluation in RL" 2024 (CALM); once per episode and
    kept verdicts are this library's reading.

    Invariant: no

    Golden: none

    Args:
        weights: one number per subgoal.
        num_captions: size of the caption table.
        subgoals: what the judge is asked about, one sentence per weight; by default the names of the first subgoals
            of the task.

    Components: ``component``.
    Metrics: ``<component>/labeled``, share of the subgoals with a verdict on this caption.
    Remembers: which subgoals were rewarded until the episode ends; ``label`` f32[V·K] (NaN = none) and ``seen``
    i32[V·K] for the whole run.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data, judge = rollout(caption_id=[1, 2, 1]), JudgedSubgoals(weights=(1.0, 0.5), num_captions=4)
    >>> state = replay(judge, data, feedback={"subgoals": {"caption": np.array([2, 5]), "value": np.ones(2)}})[1]
    >>> judge.pending(state).tolist(), judge.questions(("nothing", "key", "door"), ("got key", "opened"))[2]
    ([3, 4], 'key Does this achieve "got key"?')
    """

    weights: tuple[float, ...] = (1.0,)
    num_captions: int = static(256)
    feature: str = static("caption_id")
    subgoals: tuple[str, ...] = static((), kw_only=True)
    component: str = static("subgoals", kw_only=True)

    def __post_init__(self) -> None:
        if self.subgoals and isinstance(self.weights, tuple) and len(self.subgoals) != len(self.weights):
            raise UserError(
                f"JudgedSubgoals: {len(self.weights)} weights, but {len(self.subgoals)} subgoals {self.subgoals}."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(weights=(1.0, 0.5), num_captions=8),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    pending = staticmethod(Judged.pending)

    @staticmethod
    def questions(captions: Sequence[str], subgoals: Sequence[str]) -> tuple[str, ...]:
        """One sentence per item, in the order of the item numbers."""
        return tuple(f'{caption} Does this achieve "{subgoal}"?' for caption in captions for subgoal in subgoals)

    @property
    def num_labels(self) -> int:
        """Size of the label table: one entry per pair of caption and subgoal."""
        return self.num_captions * len(self.weights)

    def sentences(self, captions: Sequence[str], names: Sequence[str] = ()) -> tuple[str, ...]:
        """The questions about a task with these captions and subgoal ``names``.

        Raises:
            UserError: if there is a subgoal that nobody has named.

        >>> JudgedSubgoals(weights=(2.0,)).sentences(("key",), ("has_key", "past_door"))
        ('key Does this achieve "has key"?',)
        """
        count = len(self.weights)
        subgoals = self.subgoals or tuple(name.replace("_", " ") for name in names[:count])
        if len(subgoals) < count:
            raise UserError(
                f"JudgedSubgoals has {count} weights, but the task names {len(subgoals)} subgoals: {list(names)}. Pass "
                "subgoals=(...), one sentence per weight."
            )
        return self.questions(captions, subgoals)

    @property
    def _table(self) -> Judged:
        return Judged(num_captions=self.num_captions * len(self.weights), component=self.component)

    def init(self, key: Array, example: Transition) -> State:
        size = self.num_captions * len(self.weights)
        earned = jnp.zeros((example.reward.shape[0], len(self.weights)), bool)
        label = jnp.full((size,), jnp.nan, example.reward.dtype)
        return State(episode=earned, shared={"label": label, "seen": jnp.zeros((size,), jnp.int32)})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        caption = transition.next_features[self.feature].astype(jnp.int32)
        items = caption[:, None] * len(self.weights) + jnp.arange(len(self.weights))
        seen = add_visits(state.shared["seen"], items, jnp.broadcast_to(transition.valid[:, None], items.shape))
        label = state.shared["label"].at[items].get(mode="fill", fill_value=jnp.nan)
        achieved = (label >= 0.5) & ~state.episode
        value = (achieved * jnp.asarray(self.weights, label.dtype)).sum(-1)
        rewards = rewards.log(f"{self.component}/labelled", (~jnp.isnan(label)).astype(label.dtype).mean(-1))
        state = State(episode=state.episode | achieved, shared={**state.shared, "seen": seen})
        return rewards.add(self.component, value), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        return self._table.learn(rewards, state, rollout, feedback)


def verdict_metrics(verdict: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Precision, recall, F1, accuracy and Cohen's kappa of yes/no verdicts (any shape), pooled; 0 where undefined.

    Verdicts on steps are mostly "no": a judge that never says yes is accurate. Look at F1.

    >>> verdict_metrics(np.array([True, True, False, False]), np.array([True, False, False, False]))["f1"]
    0.6666666666666666
    """
    verdict, truth = np.asarray(verdict, bool).ravel(), np.asarray(truth, bool).ravel()
    hits = float((verdict & truth).sum())
    agree = float((verdict == truth).mean()) if len(truth) else 0.0
    yes, real = float(verdict.sum()), float(truth.sum())
    total = max(len(truth), 1)
    chance = (yes * real + (total - yes) * (total - real)) / total**2
    return {
        "precision": hits / yes if yes else 0.0,
        "recall": hits / real if real else 0.0,
        "f1": 2 * hits / (yes + real) if yes + real else 0.0,
        "accuracy": agree,
        "cohen_kappa": (agree - chance) / (1 - chance) if chance < 1 else 0.0,
    }
