"""Craft: make the goal out of raw materials by recipes on top of each other. Sparsity that grows with depth."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import NUMBER
from rewardax.envs.text.craft import level as R
from rewardax.envs.text.craft import words as W
from rewardax.envs.text.craft.level import CraftParams, CraftState
from rewardax.envs.text.engine.env import TextEnv, feature_list
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import bits, count_bits, pack

T = W.T


@dataclasses.dataclass(frozen=True)
class Craft(TextEnv):
    """Get raw materials, make things of them and of those the goal. The cleanest test of hierarchical subgoals.

    There are eight raw materials and sixteen things to make; which recipes they have is a level's own. A recipe takes
    one to three ingredients, one or two units of each, and makes one unit. The task lists the recipes that the goal
    needs, directly or indirectly, and up to six others. The agent gets a unit of a raw material, crafts or discards a
    unit, or looks at its inventory, which holds ``hold`` units of an item at most. Success, reward 1: the goal is
    made. Nothing can fail; the step limit truncates.

    ``oracle_steps`` is exact in every state: the units of all items that are still lacking. Carrying little is no
    obstacle: ingredients made in the order last item first never need room for more than two units of an item, so
    the goal stays within reach in every state.

    Subgoals: ``enough_wood`` and so on for every item that the goal takes: no more of it is needed, because it is
    held or already part of something. Those of other items stay false and are left out of ``progress``. Events:
    ``got``, ``crafted``, ``discarded``, ``needed`` (fewer steps are left than before), ``wasted`` (more are).

    A bonus for every unit got or crafted is farmed by getting and discarding until the step limit; a potential of
    what is held is not, and a latched subgoal is rewarded once.

    >>> import jax
    >>> env, params = Craft(), CraftParams(depth=1, distractors=0)
    >>> state = env.reset(jax.random.key(2), params)
    >>> env.text(state, params)
    'make paint. paint needs 1 part ore and 1 part straw. you have nothing.'
    >>> int(env.features(state, params)["oracle_steps"])
    3
    """

    family: ClassVar[str] = "Craft"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = CraftParams
    slots: ClassVar[int] = 64
    subgoal_names: ClassVar[tuple[str, ...]] = tuple(f"enough_{item}" for item in W.ITEMS)
    event_names: ClassVar[tuple[str, ...]] = ("got", "crafted", "discarded", "needed", "wasted")
    feature_names: ClassVar[tuple[str, ...]] = feature_list("oracle_steps", "oracle_start", "solvable")
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"closure", "lacking"}

    def reset(self, key: Array, params: CraftParams) -> CraftState:
        return R.generate(key, params, self.history)

    # dynamics

    def action_mask(self, state: CraftState, params: CraftParams) -> Array:
        exists, room = bits(state.exists, W.SIZE), self._room(state, params)
        craft = exists & room
        craft = craft[W.RAWS :] & (state.inventory >= state.uses).all(1)
        get = exists[: W.RAWS] & room[: W.RAWS]
        no, yes = jnp.zeros(W.SIZE, bool), jnp.ones(1, bool)
        return jnp.concatenate([get, no[W.RAWS :], no[: W.RAWS], craft, state.inventory > 0, yes])

    def _room(self, state: CraftState, params: CraftParams) -> Array:
        """bool[24]: one more unit can be carried."""
        return state.inventory < jnp.clip(params.hold, 2, R.CAP)

    def step(self, state: CraftState, action: Array, params: CraftParams) -> tuple[CraftState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        item = turn.x
        get, craft, discard = (turn.does(verb) for verb in ("get", "craft", "discard"))
        takes = (state.uses * (jnp.arange(W.RAWS, W.SIZE) == item)[:, None]).sum(0, dtype=jnp.int8)
        one = (jnp.arange(W.SIZE) == item) * (0 + get + craft - discard)
        held = (state.inventory + one - takes * craft).astype(jnp.int8)
        new = state.replace(inventory=held)
        new = new.replace(lacking=R.lacking(new))
        before, left = state.lacking.sum(dtype=jnp.int32), new.lacking.sum(dtype=jnp.int32)
        new = new.replace(events=pack(jnp.stack([get, craft, discard, left < before, left > before])))
        new = self._after(
            state, new, self._subgoals(new, params), *self._reply(state, turn, takes > state.inventory, params)
        )
        return new, self._timestep(state, new, turn.valid, params)

    def _reply(self, state: CraftState, turn: Turn, short: Array, params: CraftParams) -> tuple[Array, ...]:
        """Template and words of the answer to a command; ``short``: what there is too little of."""
        item = turn.x
        exists, is_raw = bits(state.exists, W.SIZE)[item], item < W.RAWS
        refusal = jnp.select(
            [
                *(turn.asks("discard"), turn.asks("get") & ~is_raw, turn.asks("craft") & is_raw, ~exists & is_raw),
                *(~exists, ~self._room(state, params)[item]),
            ],
            [
                *(T["refuse_discard"], T["refuse_get_made"], T["refuse_craft_raw"], T["refuse_get"]),
                *(T["refuse_recipe"], T["refuse_carry"]),
            ],
            T["refuse_craft"],
        )
        return turn.answer(T["get"] + turn.verb, refusal), *jnp.asarray(W.WORD)[jnp.stack([item, jnp.argmax(short)])]

    def _success(self, state: CraftState, params: CraftParams) -> Array:
        return state.inventory[state.goal] > 0

    def oracle_steps(self, state: CraftState, params: CraftParams) -> Array:
        return state.lacking.sum(dtype=jnp.int32)

    # features

    def _subgoals(self, state: CraftState, params: CraftParams) -> Array:
        return R.enough(state)

    def _subgoal_count(self, state: CraftState, params: CraftParams) -> Array:
        return count_bits(state.closure)

    def _caption_offset(self, state: CraftState) -> Array:
        return jnp.argmax(jnp.asarray(W.WORD) == state.log[0, 1])

    # observation

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        return [longest("task"), *[longest("recipe_222")] * W.MAKES, *[longest("have_nn")] * (W.SIZE // 2)]

    def _page(self, state: CraftState, params: CraftParams) -> Page:
        names = jnp.asarray(W.WORD)
        sentence = state.sentence.astype(jnp.int32)
        recipes = rows(
            *(sentence[:, 0], names[W.RAWS :], *sentence[:, 1:].T),
            shown=bits(state.exists, W.SIZE)[W.RAWS :],
            kind=L.THING,
        )
        listed = self._shows(state, "inventory")
        held = state.inventory.astype(jnp.int32).reshape(-1, 2)
        amount = jnp.minimum(held, 2)
        first = jnp.arange(W.SIZE // 2) == 0
        have = rows(
            W.NOTHING + 3 * amount[:, 0] + amount[:, 1],
            *(names[::2], NUMBER + held[:, 0], names[1::2], NUMBER + held[:, 1]),
            shown=(held.any(1) | (first & ~held.any())) & listed,
            kind=L.CARRIED,
        )
        return join(rows(T["task"], names[state.goal], kind=L.TASK), recipes, have)

    # commands

    def _action_lines(self, state: CraftState) -> tuple[Array, Array]:
        verb, item, _ = W.WORDS.arguments.T
        words = np.zeros((self.num_actions, L.WORDS_PER_LINE), np.int32)
        words[:, 0] = W.WORD[item]
        return jnp.asarray(verb), jnp.asarray(words)

    def _known(self, state: CraftState) -> Array:
        return jnp.ones(self.num_actions, bool)

    def _aliases(self, state: CraftState) -> dict[int, tuple[str, ...]]:
        """Other words for crafting and discarding."""
        first = self.words.first
        return {
            first[verb] + i: (f"{word} {item}",)
            for verb, word in (("craft", "make"), ("discard", "drop"))
            for i, item in enumerate(W.ITEMS)
        }
