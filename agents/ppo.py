"""Proximal policy optimization: its settings, and the algorithm that they make."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

from rewardax.agents.advantages import GAE
from rewardax.agents.algorithm import Algorithm
from rewardax.agents.networks import ActorCritic, Policy
from rewardax.agents.networks.cores import CORES
from rewardax.agents.networks.custom import Builder, require_module, require_network
from rewardax.agents.networks.encoders import TEXTS
from rewardax.agents.optimizer import Adam
from rewardax.agents.samplers.episodes import Episodes
from rewardax.agents.samplers.segments import Segments
from rewardax.agents.terms import Clipped, EntropyBonus, ValueLoss
from rewardax.base.errors import UserError, require_number
from rewardax.envs.core import Env

CHOICES = {
    "encoder": tuple(TEXTS),
    "core": tuple(CORES),
    "time_limit": ("truncate", "terminate"),
    "sampler": ("auto", "segments", "episodes"),
}
BOUNDS = {  # least and largest value; whether the least is allowed
    "num_envs": (1, math.inf, True),
    "num_steps": (1, math.inf, True),
    "epochs": (1, math.inf, True),
    "minibatches": (1, math.inf, True),
    "learning_rate": (0, math.inf, False),
    "gamma": (0, 1, True),
    "gae_lambda": (0, 1, True),
    "advantage_floor": (0, math.inf, True),
    "clip": (0, math.inf, False),
    "entropy_coef": (0, math.inf, True),
    "entropy_end": (0, math.inf, True),
    "value_coef": (0, math.inf, True),
    "max_grad_norm": (0, math.inf, False),
    "width": (1, math.inf, True),
    "group_size": (1, math.inf, True),
}


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO (Schulman et al. 2017). Defaults suit sparse grid and text tasks on a CPU.

    Raises:
        UserError: a count below 1, minibatches that do not divide a rollout, an unknown ``time_limit``, or a pool
            too small for the environments.

    >>> PPOConfig(num_envs=128).num_steps
    32
    """

    num_envs: int = 64
    """Parallel environments N per seed, >= 1."""
    num_steps: int = 32
    """Steps T of each environment per rollout, >= 1."""
    epochs: int = 4
    """Passes over a rollout, >= 1."""
    minibatches: int = 4
    """Minibatches per pass, >= 1; must divide N*T (N with a recurrent core)."""
    learning_rate: float = 1e-3
    """Adam step size at the start, > 0."""
    anneal: bool = True
    """Lower the step size linearly to 0 over the run."""
    gamma: float = 0.99
    """Discount γ per step, in [0, 1]; a Potential in the reward must carry the same."""
    gae_lambda: float = 0.95
    """λ of generalized advantage estimation, in [0, 1]: 0 one-step errors, 1 whole returns."""
    advantage_floor: float = 0.05
    """Least standard deviation that advantages are divided by, >= 0, in units of reward. Advantages that are mostly
    errors of the critic, as before the first success, move the policy less; so do rewards that are much smaller than
    this, for which 0 is better."""
    clip: float = 0.2
    """Clip range ε > 0 of the probability ratio."""
    entropy_coef: float = 0.01
    """Weight of the entropy bonus in nats, >= 0."""
    entropy_end: float | None = None
    """Its weight at the end of the run, >= 0, linear in between; ``None``: the same all the time."""
    value_coef: float = 0.5
    """Weight of the value loss, >= 0."""
    max_grad_norm: float = 0.5
    """Largest global norm of a gradient, > 0; longer ones are scaled down to it."""
    width: int = 64
    """Hidden units per layer, and of the core, >= 1."""
    encoder: str = "deepsets"
    """How lines of text are read: "deepsets": each for itself, then summed; "attention": they read each other first."""
    core: str = "none"
    """Memory of the episode between encoder and heads: "none", "gru", or "transformer" over the last 32 steps."""
    previous: bool = False
    """Show the policy its previous action and what the task paid for it."""
    mask_actions: bool = True
    """Choose among admissible actions only; False lets the policy find out by itself which ones do nothing."""
    time_limit: str = "truncate"
    """"truncate": bootstrap through step limits; "terminate": treat them as ends."""
    pool: int = 4096
    """Training levels per seed, made once at the start, >= 2N; unused on the host."""

    sampler: str = "auto"
    """"segments": ``num_steps`` steps of ongoing episodes; "episodes": every environment plays one episode from its
    start to its end; "auto": episodes where a part of the reward needs whole ones, else segments."""
    group_size: int = 8
    """Episodes of each level with the sampler "episodes", >= 1; must divide N. 1 where the reward compares none."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            require_number(field.name, getattr(self, field.name), field.default)
        for name, (least, most, closed) in BOUNDS.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not (least <= value <= most) or (value == least and not closed):
                above = f"{'at least' if closed else 'above'} {least}"
                raise UserError(f"{name} must be {above if math.isinf(most) else f'in [{least}, {most}]'}, got {value}")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise UserError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        unit = self.num_envs if self.recurrent else self.num_envs * self.num_steps
        if unit % self.minibatches:
            what = "num_envs" if self.recurrent else "num_envs * num_steps"
            raise UserError(f"minibatches={self.minibatches} does not divide {what} = {unit}")
        if self.pool < 2 * self.num_envs:
            raise UserError(
                f"pool={self.pool} levels are too few for {self.num_envs} environments; use at least twice as many"
            )

    @property
    def recurrent(self) -> bool:
        """Whether the policy remembers: minibatches are then whole environments."""
        return self.core != "none"


@dataclasses.dataclass(frozen=True)
class _Space:
    """An observation space that can be looked up."""

    space: Any

    def __hash__(self) -> int:
        return hash(repr(self.space))


class _Network(NamedTuple):
    """What a network reads of the settings."""

    width: int
    encoder: str
    core: str
    previous: bool


def build_policy(env: Any, space: Any, num_actions: int, config: PPOConfig, network: Builder | None = None) -> Policy:
    """The actor-critic that fits an observation space, or the one that a builder makes.

    Without a builder, the same question gets the same object, so that its compiled programs are found again.

    Args:
        env: the functional environment, ``None`` for a foreign one.
        space: of its observations.
        num_actions: how many actions there are.
        config: settings of the learner.
        network: makes another network, see :class:`rewardax.agents.Network`.

    Raises:
        UserError: an observation that cannot be read, or a network without what a learner needs.
    """
    if network is None:
        chosen = _Network(config.width, config.encoder, config.core, config.previous)
        return _policy(env, _Space(space), num_actions, chosen)
    return Policy(
        lambda rngs: require_module(network(env, space, num_actions, config, rngs)),
        check=lambda net: require_network(net, space, num_actions, hasattr(env, "action_lines")),
        builder=getattr(network, "__qualname__", type(network).__qualname__),
    )


@functools.lru_cache(maxsize=64)
def _policy(env: Any, key: _Space, num_actions: int, chosen: _Network) -> Policy:
    return Policy(lambda rngs: ActorCritic(env, key.space, num_actions, chosen, rngs))


def ppo(
    policy: Policy, config: PPOConfig, sampler: Segments | Episodes, *, budget: int, env: Env | None = None
) -> Algorithm:
    """Proximal policy optimization.

    Args:
        policy: structure of the network.
        config: its settings.
        sampler: what collects experience.
        budget: frames of the whole run, over which the step size falls.
        env: a functional environment; ``None`` where experience comes from the host.
    """
    end = config.entropy_end
    unit = config.num_envs if policy.recurrent else config.num_envs * config.num_steps
    if unit % config.minibatches:
        raise UserError(f"minibatches={config.minibatches} does not divide num_envs = {unit} of a recurrent network")
    return Algorithm(
        env=env,
        policy=policy,
        sampler=sampler,
        advantage=GAE(config.gamma, config.gae_lambda, config.time_limit == "terminate"),
        terms=(
            Clipped(config.clip, config.advantage_floor),
            ValueLoss(config.value_coef),
            EntropyBonus(config.entropy_coef, config.entropy_coef if end is None else end),
        ),
        optimizer=Adam(config.learning_rate, config.max_grad_norm, anneal=config.anneal),
        passes=config.epochs,
        minibatch=unit // config.minibatches,
        budget=float(budget),
    )
