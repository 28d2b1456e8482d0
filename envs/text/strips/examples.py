"""Two games that come with the suite, each in three difficulties: Delivery and Kitchen."""

from __future__ import annotations

import dataclasses
import functools
from importlib.resources import as_file, files
from typing import ClassVar

from rewardax.envs.text.strips.game import Game
from rewardax.envs.text.strips.world import StripsWorld

DIFFICULTIES = ("tiny", "easy", "medium")


@functools.cache
def game(name: str) -> Game:
    """A game of the suite, its problems in the order of ``DIFFICULTIES``."""
    with as_file(files("rewardax.envs").joinpath("assets", "strips", name)) as folder:
        problems = [folder / f"{difficulty}.pddl" for difficulty in DIFFICULTIES]
        return Game(folder / "domain.pddl", problems, folder / "grammar.toml", None)


@dataclasses.dataclass(frozen=True)
class Delivery(StripsWorld):
    """Carry things to other rooms of a house, one at a time or several in a basket. Written in PDDL.

    Everything is shown except the ways out of other rooms. Problems 0 to 15 (tiny) have three rooms and one thing, 16
    to 31 (easy) four rooms and two things, 32 to 47 (medium) five rooms, three things and a basket, which holds any
    number of them and is itself carried; in most of these it makes the plan shorter. Nothing can go wrong, it can only
    take longer.

    >>> import jax
    >>> from rewardax.envs import make
    >>> env, params = make("Delivery-tiny")
    >>> state = env.reset(jax.random.key(0), params)
    >>> int(env.features(state, params)["oracle_steps"]), [env.action_names[a] for a in env.plan(state)][-1]
    (4, 'drop the lamp')
    """

    family: ClassVar[str] = "Delivery"

    def __post_init__(self) -> None:
        object.__setattr__(self, "game", game("delivery"))
        super().__post_init__()


@dataclasses.dataclass(frozen=True)
class Kitchen(StripsWorld):
    """Clean, chop and fry food, put it into the bowl and leave the fridge closed. Written in PDDL.

    What is in a closed fridge is not seen. Dirty food can be neither chopped nor fried, fried food cannot be chopped,
    the pan holds one thing, and what is fried twice is ruined: ``solvable`` marks such dead ends, which are no
    failures, the episode goes on. Problems 0 to 15 (tiny) have one root, 16 to 31 (easy) a root and a fruit, 32 to 47
    (medium) two roots and a fruit.

    >>> import jax
    >>> from rewardax.envs import make
    >>> env, params = make("Kitchen-tiny")
    >>> state = env.reset(jax.random.key(0), params)
    >>> int(env.features(state, params)["oracle_steps"]), [env.action_names[a] for a in env.plan(state)][-1]
    (7, 'put the potato into the bowl')
    """

    family: ClassVar[str] = "Kitchen"

    def __post_init__(self) -> None:
        object.__setattr__(self, "game", game("kitchen"))
        super().__post_init__()
