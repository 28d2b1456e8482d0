"""A task together with a reward that remembers, as one table: history-dependent rewards become Markov."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.base.names import names_of
from rewardax.envs.core import Env, PyTree, TimeStep
from rewardax.envs.mdp import TabularMDP, assemble, explore, holder, rekeyed, timeless
from rewardax.envs.offers import offer
from rewardax.wrappers.config import from_config
from rewardax.wrappers.core import RewardTransform, State, Transition, advance, in_hindsight


class Joint(NamedTuple):
    """A state of the task, what the reward remembers there, and whether it starts the episode."""

    task: PyTree
    memory: State
    first: Array  #: bool[]


def reward_mdp(
    env: Env,
    params: PyTree,
    key: Array,
    reward: RewardTransform | Mapping[str, Any] | str,
    *,
    forget: Sequence[str] = (),
    max_states: int = 500_000,
) -> TabularMDP:
    """The decision problem of an agent that receives ``reward``, over pairs (task state, reward's memory).

    Its optimum is what a perfect learner of this reward ends up doing; its ``performance`` table says what that
    is worth. Memory that outlives the episode (counts across episodes, networks) is taken fresh, as it is in the
    first episode.

    Args:
        env, params, key, forget, max_states: as for :func:`rewardax.envs.enumerate_mdp`.
        reward: a transform or its configuration.

    >>> from rewardax.analysis import reward_mdp, value_iteration
    >>> from rewardax.envs import level_key, make
    >>> from rewardax.wrappers import EventBonus
    >>> env, params = make("KeyFarm", horizon=12)
    >>> mdp = reward_mdp(env, params, level_key("train", 0), EventBonus(events=(0,), scale=0.1))
    >>> round(float(value_iteration(mdp).value[0]), 6)  # the key is picked up four times on the way
    1.4

    Raises:
        UserError: for a reward that needs hindsight and for what ``enumerate_mdp`` refuses.
    """
    reward = from_config(reward).bind(names_of(env))
    if not reward.causal:
        raise UserError(
            f"{in_hindsight(reward)} needs hindsight (its rewards are right only after learn()); "
            "a table of steps cannot show it"
        )
    start, names = timeless(env, env.reset(key, params)), sorted({*env.feature_names, *reward.requires})
    hold = holder(start, forget)

    def record(state: PyTree, first: Array, action: Array, new: PyTree, step: TimeStep) -> Transition:
        transition = Transition(
            observation=env.observe(state, params),
            action=action,
            next_observation=env.observe(new, params),
            reward=step.reward.astype(jnp.float32),
            terminated=step.terminated,
            truncated=step.truncated & ~step.terminated,
            first=first,
            valid=jnp.bool_(True),
            features=offer(env, state, params, names),
            next_features=offer(env, new, params, names),
        )
        return jax.tree.map(lambda x: x[None], transition)

    action = jnp.int32(0)
    example = jax.eval_shape(lambda: record(start, jnp.bool_(True), action, *env.step(start, action, params)))
    example = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), example)
    memory = reward.init(jax.random.key(0), example)

    def move(joint: Joint, action: Array) -> tuple[Array, Joint, dict[str, Any]]:
        def pay(new: PyTree, step: TimeStep) -> tuple[Joint, dict[str, Any]]:
            transition = record(joint.task, joint.first, action, new, step)
            earned, after = advance(reward, joint.memory, memory.episode, transition)
            facts = {
                "components": {name: value[0] for name, value in earned.components.items()},
                "performance": step.performance,
                "terminated": transition.terminated[0],
                "truncated": transition.truncated[0],
            }
            return Joint(hold(rekeyed(env, new)), after, jnp.bool_(False)), facts

        chance, new, steps = env.outcomes(joint.task, action, params)
        return chance, *jax.vmap(pay)(new, steps)

    table, states = explore(move, Joint(hold(start), memory, jnp.bool_(True)), env.num_actions, max_states)
    mdp = assemble(table, states.task, jax.vmap(lambda s: env.action_mask(s, params)))
    return mdp._replace(states=states)
