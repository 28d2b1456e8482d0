"""``check_reward``: a reward transform of yours, checked against every rule that transforms keep.

:func:`check_reward` runs a transform through made-up or recorded rollouts and names each broken rule in a
sentence.
"""

from __future__ import annotations

from collections.abc import Collection

from rewardax.base.errors import UserError
from rewardax.wrappers.contract.data import on_host, sample_rollout
from rewardax.wrappers.contract.rules import RULES, sentences
from rewardax.wrappers.core import RewardTransform, Transition


class ContractError(AssertionError):
    """A reward breaks its contract; ``broken`` holds one sentence per rule."""

    def __init__(self, name: str, broken: list[str]) -> None:
        self.broken = broken
        super().__init__(f"{name} breaks {len(broken)} rule(s) of a reward:\n" + "\n".join(f"- {x}" for x in broken))


def check_reward(
    reward: RewardTransform,
    rollout: Transition | None = None,
    *,
    skip: Collection[str] = (),
    raises: bool = True,
) -> list[str]:
    """Check a transform against every rule of a reward, on ``rollout`` or on made-up episodes.

    =============  ==========================================================================================
    rule           what must hold
    =============  ==========================================================================================
    structure      components are floats [N]; the state keeps its shapes and dtypes; ``requires`` is complete
    books          a part that posts a component leaves the others alone
    eager          compiled and uncompiled steps agree, also at ends and padding steps
    wide           under ``jax_enable_x64`` components stay float32 and the state keeps its dtypes
    loop           a loop over compiled steps equals the scan and compiles once
    padding        padding steps neither change shared memory nor leak into other rewards or into ``learn``
    permutation    the order of the environments does not matter
    alone          without shared memory, N environments equal N times one environment
    episodes       with episode memory only, an episode does not depend on the one before
    causal         a transform that calls itself causal is not corrected by its ``learn``
    names          bound to the names of a task's events, so are the rewards inside it
    company        in a chain, neither what others log nor what follows changes what it gives and learns
    sweep          every number in it can be swept with one ``vmap`` and changes something
    config         it equals what its JSON configuration builds
    resume         saved and loaded, it continues as if nothing had happened
    extremes       rewards and memory stay finite, in long runs and for huge inputs
    gaps           a step of NaN or infinity in one environment spoils no other and no memory for good
    counters       whole numbers that are remembered for long do not overflow
    routes         all five routes pay the same (a transform that needs hindsight is refused by the wrappers)
    =============  ==========================================================================================

    Args:
        reward: the transform.
        rollout: recorded steps [T, N], T ≥ 12, N ≥ 2, of several episodes. By default they are made up, with the
            features our own environments offer.
        skip: names of rules to leave out.
        raises: raise :class:`ContractError`; otherwise return the sentences.

    Returns:
        The sentences that name the broken rules, empty if there are none.

    >>> from rewardax.wrappers import Clip
    >>> check_reward(Clip())
    []
    """
    unknown = [name for name in skip if name not in RULES]
    if unknown:
        raise UserError(f"no rule {unknown[0]!r} to skip; the rules are {', '.join(RULES)}")
    data = on_host(sample_rollout(reward.requires) if rollout is None else rollout)
    broken = sentences(reward, data, skip)
    if broken and raises:
        raise ContractError(type(reward).__name__, broken)
    return broken
