"""Craft: make the goal out of raw materials by recipes on top of each other. Sparsity that grows with depth."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.craft import level as R
from rewardax.envs.text.craft import words as W
from rewardax.envs.text.craft.level import CraftParams, CraftState
from rewardax.envs.text.engine.env import FIRST_NUMBER, NOT_A_COMMAND, Page, TextEnv, join, rows
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
    what is held is not, and a latched subgoal is paid once.

    >>> import jax
    >>> env, params = Craft(), CraftParams(depth=1, distractors=0)
    >>> state = env.reset(jax.random.key(2), params)
    >>> env.text(state, params)
    'make paint. paint needs 1 part ore and 1 part straw. you have nothing.'
    >>> int(env.features(state, params)["oracle_steps"])
    3
    """

    family: ClassVar[str] = "Craft"
    templates: ClassVar[L.Templates] = W.TEMPLATES
    action_templates: ClassVar[L.Templates] = W.COMMANDS
    replies: ClassVar[tuple[str, ...]] = W.REPLIES
    verbs: ClassVar[tuple[str, ...]] = W.VERBS
    slots: ClassVar[int] = 64
    subgoal_names: ClassVar[tuple[str, ...]] = tuple(f"enough_{item}" for item in W.ITEMS)
    event_names: ClassVar[tuple[str, ...]] = ("got", "crafted", "discarded", "needed", "wasted")
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "solvable", "valid", "invalid_reason", "state_hash", "obs_hash", "events", "caption_id"),
    )

    @property
    def action_names(self) -> tuple[str, ...]:
        return W.action_names()

    @property
    def num_actions(self) -> int:
        return W.ACTIONS

    @property
    def captions(self) -> tuple[str, ...]:
        return W.CAPTIONS

    def default_params(self) -> CraftParams:
        return CraftParams()

    def horizon(self, params: CraftParams) -> int:
        return int(params.horizon)

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
        action = jnp.asarray(action, jnp.int32)
        known = (action >= 0) & (action < W.ACTIONS)
        at = jnp.clip(action, 0, W.ACTIONS - 1)
        verb, item = at // W.SIZE, at % W.SIZE
        takes = (state.uses * (jnp.arange(W.RAWS, W.SIZE) == item)[:, None]).sum(0, dtype=jnp.int8)
        short = takes > state.inventory
        exists = ((state.exists >> item.astype(jnp.uint32)) & 1).astype(bool)
        full = ~self._room(state, params)[item]
        is_raw = item < W.RAWS
        get = (verb == W.GET) & is_raw & exists & ~full
        craft = (verb == W.CRAFT) & ~is_raw & exists & ~full & ~short.any()
        discard = (verb == W.DISCARD) & (state.inventory[item] > 0)
        valid = known & (get | craft | discard | (verb == W.INVENTORY))
        get, craft, discard = known & get, known & craft, known & discard

        one = (jnp.arange(W.SIZE) == item) * (0 + get + craft - discard)
        held = (state.inventory + one - takes * craft).astype(jnp.int8)
        new = state.replace(inventory=held, t=state.t + jnp.int16(1))
        new = new.replace(lacking=R.lacking(new))

        refusal = jnp.select(
            [verb == W.DISCARD, (verb == W.GET) & ~is_raw, (verb == W.CRAFT) & is_raw, ~exists & is_raw, ~exists, full],
            [
                *(T["refuse_discard"], T["refuse_get_made"], T["refuse_craft_raw"], T["refuse_get"]),
                *(T["refuse_recipe"], T["refuse_carry"]),
            ],
            T["refuse_craft"],
        )
        said = jnp.where(valid, T["get"] + verb, jnp.where(known, refusal, T[NOT_A_COMMAND]))
        name = jnp.asarray(W.WORD)[jnp.stack([item, jnp.argmax(short)])]
        before, left = state.lacking.sum(dtype=jnp.int32), new.lacking.sum(dtype=jnp.int32)
        now = R.enough(new)
        new = new.replace(
            log=self._remember(state.log, said, *name),
            events=pack(jnp.stack([get, craft, discard, left < before, left > before])),
            latched=state.latched | now,
            fresh=now & ~state.latched,
        )
        return new, self._timestep(self._done(state), self._done(new), ~valid, new.t, params)

    def _done(self, state: CraftState) -> Array:
        return state.inventory[state.goal] > 0

    # features

    def features(self, state: CraftState, params: CraftParams) -> dict[str, Array]:
        reason = self._invalid_reason(state)
        return {
            "success": self._done(state),
            "failure": jnp.bool_(False),
            "subgoals": bits(state.latched, W.SIZE),
            "subgoals_now": bits(R.enough(state), W.SIZE),
            "subgoal_event": bits(state.fresh, W.SIZE),
            "progress": count_bits(state.latched) / count_bits(state.closure).astype(jnp.float32),
            "oracle_steps": self.oracle_steps(state, params),
            "oracle_start": state.oracle_start.astype(jnp.int32),
            "solvable": jnp.bool_(True),
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": L.hash_words(
                *(state.uses, state.sentence, state.exists, state.goal, state.inventory, state.latched)
            ),
            "obs_hash": self._obs_hash(state, params),
            "events": bits(state.events, len(self.event_names)),
            "caption_id": self._caption(state),
        }

    def oracle_steps(self, state: CraftState, params: CraftParams) -> Array:
        return state.lacking.sum(dtype=jnp.int32)

    def _caption(self, state: CraftState) -> Array:
        said, name = state.log[0, 0], state.log[0, 1]
        return jnp.asarray(W.CAPTION_START)[said] + jnp.argmax(jnp.asarray(W.WORD) == name)

    # observation

    def _limits(self) -> list[int]:
        longest = W.TEMPLATES.longest
        return [longest("task"), *[longest("recipe_222")] * W.MAKES, *[longest("have_nn")] * (W.SIZE // 2)]

    def _page(self, state: CraftState, params: CraftParams) -> Page:
        names = jnp.asarray(W.WORD)
        told = state.sentence.astype(jnp.int32)
        recipes = rows(
            *(told[:, 0], names[W.RAWS :], *told[:, 1:].T),
            shown=bits(state.exists, W.SIZE)[W.RAWS :],
            kind=L.THING,
        )
        listed = jnp.bool_(self.view != "feedback") | (state.log[0, 0] == T["inventory"])
        held = state.inventory.astype(jnp.int32).reshape(-1, 2)
        amount = jnp.minimum(held, 2)
        first = jnp.arange(W.SIZE // 2) == 0
        have = rows(
            W.NOTHING + 3 * amount[:, 0] + amount[:, 1],
            *(names[::2], FIRST_NUMBER + held[:, 0], names[1::2], FIRST_NUMBER + held[:, 1]),
            shown=(held.any(1) | (first & ~held.any())) & listed,
            kind=L.CARRIED,
        )
        return join(rows(T["task"], names[state.goal], kind=L.TASK), recipes, have)

    # commands

    def _action_lines(self, state: CraftState) -> tuple[Array, Array]:
        verb, item = np.divmod(np.arange(W.ACTIONS), W.SIZE)
        words = np.zeros((W.ACTIONS, L.WORDS_PER_LINE), np.int32)
        words[:, 0] = W.WORD[item]
        return jnp.asarray(verb), jnp.asarray(words)

    def _known(self, state: CraftState) -> Array:
        return jnp.ones(W.ACTIONS, bool)

    def _aliases(self, state: CraftState) -> dict[int, tuple[str, ...]]:
        """Other words for crafting and discarding."""
        words = {W.CRAFT: "make", W.DISCARD: "drop"}
        return {
            verb * W.SIZE + i: (f"{word} {item}",) for verb, word in words.items() for i, item in enumerate(W.ITEMS)
        }
