"""The public contract holds for every transform here, and catches one transform broken on purpose per rule."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from support.reward_data import each, rollout_for, run

from rewardax.base.names import positions
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.contract.check import ContractError, check_reward
from rewardax.wrappers.contract.data import sample_rollout
from rewardax.wrappers.contract.rules import RULES
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, chain, static


@each(lambda reward: True, default="first")
def test_contract(reward: RewardTransform) -> None:
    """The routes have a file of their own, and company costs two more programs each."""
    assert check_reward(reward, skip=["routes", "company"]) == []


@pytest.mark.slow
@each(lambda reward: reward.learns)
def test_contract_in_company(reward: RewardTransform) -> None:
    assert check_reward(reward, skip=[name for name in RULES if name != "company"]) == []


def envs(transition: Transition) -> jax.Array:
    return jnp.arange(transition.reward.shape[0], dtype=jnp.float32)


class Broken(RewardTransform):
    """Base of the transforms below: posts ``bonus``."""

    def bonus(self, state: State, transition: Transition) -> Any:
        raise NotImplementedError

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards.add("bonus", self.bonus(state, transition)), state


class WrongShape(RewardTransform):
    """Goes around ``add``, whose shapes are checked where the tests are."""

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards.replace(components={**rewards.components, "bonus": jnp.float32(1.0)}), state


class Undeclared(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.next_features["progress"]


class NoEnvironmentAxis(Broken):
    def init(self, key: Any, example: Transition) -> State:
        return State(episode=jnp.zeros(()))

    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.reward


class DriftingDtype(RewardTransform):
    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros((), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, State(shared=state.shared + 0.5)


class WeakDtype(RewardTransform):
    """Compiles twice: the fresh state is weakly typed, the next one is not."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=0.0)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, State(shared=state.shared + transition.valid.sum(dtype=jnp.float32))


class EditsTask(RewardTransform):
    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards.add("bonus", transition.reward).put("task", 0.0 * transition.reward), state


class KnowsCompilation(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.reward + float(isinstance(transition.reward, jax.core.Tracer))


class KnowsCompilationAtAnEnd(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.done * float(isinstance(transition.reward, jax.core.Tracer))


class KnowsCompilationWhenPadded(RewardTransform):
    """What is posted in a padding step is dropped, but the shared memory shows it."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros(()))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        compiled = float(isinstance(transition.reward, jax.core.Tracer))
        return rewards, State(shared=state.shared + compiled * (~transition.valid).any())


class EditsTaskAtAnEnd(RewardTransform):
    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        rest = jnp.where(transition.truncated, 0.0, transition.reward + 0.5 * transition.truncated)
        return rewards.add("bonus", transition.reward).put("task", rest), state


class Overflows(Broken):
    """Its components stay small, its memory does not."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.ones(()))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        grown = jnp.where(transition.valid.any(), 2 * state.shared, state.shared)
        return rewards.add("bonus", transition.reward / state.shared), State(shared=grown)


class ExplodesInside(RewardTransform):
    def init(self, key: Any, example: Transition) -> State:
        return State(env=jnp.zeros(example.reward.shape))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, State(env=jnp.exp(transition.reward))


class Idle(Broken):
    """One of its numbers does nothing."""

    scale: float = 1.0
    offset: float = 0.5

    def bonus(self, state: State, transition: Transition) -> Any:
        return self.scale * transition.reward


class CountsPadding(RewardTransform):
    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros((), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, State(shared=state.shared + transition.reward.shape[0])


class ReadsPadding(RewardTransform):
    """Its shared memory is unchanged when all rows are padding steps, but not when some are."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros(()))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        total = jnp.where(transition.valid.any(), transition.next_observation["grid"].sum(), 0)
        return rewards, State(shared=state.shared + total)


class LearnsPadding(RewardTransform):
    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros(()))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, state

    def learn(self, rewards: Rewards, state: State, rollout: Transition, feedback: Any = None) -> Any:
        return rewards, State(shared=rollout.next_observation["direction"].mean())


class PrefersEnvironmentZero(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return envs(transition)


class LooksAround(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.reward - transition.reward.mean()


class Corrected(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.reward

    def learn(self, rewards: Rewards, state: State, rollout: Transition, feedback: Any = None) -> Any:
        return rewards.put("bonus", rollout.reward.cumsum(0)), state


class ReadsTheNeighbor(Broken):
    """Takes a metric that it finds for its own."""

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        if "bonus/raw" not in rewards.metrics:
            rewards = rewards.log("bonus/raw", transition.reward)
        return rewards.add("bonus", transition.reward), state

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros(()))

    def learn(self, rewards: Rewards, state: State, rollout: Transition, feedback: Any = None) -> Any:
        return rewards, State(shared=jnp.where(rollout.valid, rewards.metrics["bonus/raw"], 0).sum())


class Branches(Broken):
    scale: float = 1.0
    offset: float = 0.0

    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.reward * (self.scale if self.scale > 0 else 0.0) + self.offset


class ForgetsItself(Broken):
    """Numbers are rounded in ``__post_init__`` of what the configuration builds."""

    scale: float = 1.0
    built: bool = static(False)

    def bonus(self, state: State, transition: Transition) -> Any:
        return self.scale * transition.reward

    def __post_init__(self) -> None:
        if isinstance(self.scale, float):
            object.__setattr__(self, "scale", self.scale + 1.0)


class Widens(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return transition.reward * jnp.arange(1.0, 2.0)


class HoldsLambda(Broken):
    fn: Any = static(lambda x: x)

    def bonus(self, state: State, transition: Transition) -> Any:
        return self.fn(transition.reward)


class HoldsStatic(Broken):
    part: RewardTransform = static(EventBonus())

    def bonus(self, state: State, transition: Transition) -> Any:
        return self.part.update(Rewards.open(transition), state, transition)[0].components["events"]

    @property
    def requires(self) -> tuple[str, ...]:
        return self.part.requires


class ForgetsParts(HoldsStatic):
    part: RewardTransform = EventBonus()
    event: int | str = static(0)

    def bind(self, names: Any) -> RewardTransform:
        return self.replace(event=positions("ForgetsParts", (self.event,), "events", names)[0])


class Explodes(Broken):
    def bonus(self, state: State, transition: Transition) -> Any:
        return jnp.exp(transition.reward)


class PoisonedMean(Broken):
    """One NaN, and the running mean is NaN for ever, in all environments."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros(()))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        some = jnp.where(transition.valid, transition.reward, 0).sum() / jnp.maximum(transition.valid.sum(), 1)
        mean = jnp.where(transition.valid.any(), 0.9 * state.shared + 0.1 * some, state.shared)
        return rewards.add("bonus", transition.reward - mean), State(shared=mean)


class PoisonedTrace(Broken):
    """As above, in a memory of each environment."""

    def init(self, key: Any, example: Transition) -> State:
        return State(env=jnp.zeros(example.reward.shape))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        trace = 0.9 * state.env + transition.reward
        return rewards.add("bonus", trace), State(env=trace)


class Turns(Broken):
    """Its counter turns negative, so the 2,147,483,649th visit pays like the first."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=jnp.zeros((), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        count = state.shared + transition.valid.sum(dtype=jnp.int32)
        rare = jnp.maximum(count, 1).astype(transition.reward.dtype) ** -0.5
        return rewards.add("bonus", jnp.broadcast_to(rare, transition.reward.shape)), State(shared=count)


CALLS = itertools.count()


class NamesMemoryAnew(RewardTransform):
    """Every call of ``init`` builds another structure, so that no memory can be loaded."""

    def init(self, key: Any, example: Transition) -> State:
        return State(shared={f"call {next(CALLS)}": jnp.zeros(())})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, state


@pytest.mark.parametrize(
    ("reward", "sentence"),
    [
        (WrongShape(), "structure: component 'bonus' is float32[], it must be one float per environment"),
        (Undeclared(), "structure: it reads 'progress', which is not named in `requires` (())"),
        (NoEnvironmentAxis(), "structure: state.episode has no leading axis for the environments"),
        (DriftingDtype(), "structure: update turns state.shared from int32[] into float32[]"),
        (WeakDtype(), "loop: a loop over equal steps compiles more than once"),
        (Widens(), "wide: under jax_enable_x64 component 'bonus' is float64, it must stay float32"),
        (EditsTask(), "books: EditsTask posts 'bonus' but also changes 'task'"),
        (chain(edits=EditsTask()), "books: EditsTask posts 'bonus' but also changes 'task'"),
        (KnowsCompilation(), "eager: uncompiled gives ['bonus'] = "),
        (KnowsCompilationAtAnEnd(), "eager: uncompiled gives ['bonus'] = 0, compiled (step "),
        (KnowsCompilationWhenPadded(), "eager: memory after an uncompiled step gives .shared = "),
        (EditsTaskAtAnEnd(), "books: EditsTaskAtAnEnd posts 'bonus' but also changes 'task'"),
        (Overflows(), "extremes: state.shared becomes inf for ordinary inputs"),
        (ExplodesInside(), "extremes: state.env becomes inf for inputs of size 1e6"),
        (Idle(), "sweep: .offset does nothing: with other values rewards and memory are the same"),
        (CountsPadding(), "padding: shared memory after padding steps only gives  = "),
        (ReadsPadding(), "padding: what a padding row holds leaks: with other contents shared memory"),
        (LearnsPadding(), "padding: what a padding row holds leaks into learn: with other contents shared memory"),
        (PrefersEnvironmentZero(), "permutation: with the environments in another order gives ['bonus']"),
        (LooksAround(), "alone: one environment alone gives ['bonus']"),
        (LooksAround(), "episodes: an episode after another first episode gives ['bonus']"),
        (Corrected(), "causal: it calls itself causal, but learn gives ['bonus']"),
        (ReadsTheNeighbor(), "company: among others that log the same names and double its components, its memory"),
        (Branches(), "sweep: .scale cannot be swept (TracerBoolConversionError)"),
        (HoldsStatic(), "names: the reward in field 'part' keeps the names of its events"),
        (ForgetsParts(), "names: the reward in field 'part' keeps the names of its events"),
        (ForgetsItself(), "config: its configuration builds a transform with other numbers"),
        (HoldsLambda(), "config: raised UserError: "),
        (NamesMemoryAnew(), "resume: raised UserError: "),
        (PoisonedMean(), "gaps: a step of nan leaves state.shared not finite for good"),
        (PoisonedMean(), "gaps: a step of inf in one environment makes component 'bonus' of another not finite"),
        (PoisonedTrace(), "gaps: a step of inf leaves state.env not finite for good"),
        (Turns(), "counters: state.shared overflows: from its largest value it goes to -2147483"),
        (Explodes(), "extremes: component 'bonus' becomes inf for inputs of size 1e6"),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, RewardTransform) else "",
)
def test_broken_transforms_are_caught(reward: RewardTransform, sentence: str) -> None:
    broken = check_reward(reward, skip=["routes"], raises=False)
    assert any(found.startswith(sentence) for found in broken), broken


def test_routes_that_disagree_are_caught() -> None:
    others = [name for name in RULES if name not in ("structure", "routes")]
    (broken,) = check_reward(PrefersEnvironmentZero(), skip=others, raises=False)
    assert broken.startswith("routes: single with 3 environment(s) gives ['bonus']")


def test_the_error_lists_every_sentence() -> None:
    with pytest.raises(ContractError, match="CountsPadding breaks") as caught:
        check_reward(CountsPadding(), skip=["routes"])
    assert caught.value.broken and all(found in str(caught.value) for found in caught.value.broken)


def test_unknown_rule_and_unknown_feature_are_named() -> None:
    with pytest.raises(ValueError, match="no rule 'speed' to skip; the rules are structure, "):
        check_reward(WrongShape(), skip=["speed"])
    with pytest.raises(ValueError, match="cannot make up feature 'room'; pass rollout="):
        sample_rollout(["room"])


def test_every_rule_is_documented() -> None:
    for name in RULES:
        assert f"    {name} " in (check_reward.__doc__ or "")


def test_transforms_with_equal_fields_are_not_mixed_up() -> None:
    """One program for all would now and then pay what another class pays."""

    def pays(number: int) -> RewardTransform:
        def bonus(self: Any, state: State, transition: Transition) -> Any:
            return jnp.full_like(transition.reward, number)

        return type(f"Pays{number}", (Broken,), {"__annotations__": {}, "bonus": bonus, "__module__": __name__})()

    data = rollout_for(WrongShape())
    for number in range(60):
        assert (run(pays(number), data)[0].components["bonus"] == number).all()
