"""Cooking: read the recipe, gather, cut and cook, prepare the meal and eat it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language.vocab import NUMBER, ROOM, ROOMS, WAY
from rewardax.envs.text.cooking import level as C
from rewardax.envs.text.cooking import words as W
from rewardax.envs.text.cooking.level import HELD, CookingParams, CookingState, carry_limit, generate, spoilt, subgoals
from rewardax.envs.text.cooking.oracle import goal_distance, honest_steps, oracle_steps
from rewardax.envs.text.cooking.view import HOW, CookingView, Sight
from rewardax.envs.text.cooking.words import KNIFE, THINGS
from rewardax.envs.text.engine.env import feature_list
from rewardax.envs.text.engine.pages import word
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import bits

T, VERB = W.T, W.WORDS.verb
SUBGOALS = len(C.SUBGOAL_NAMES)
REPLY = np.array([T[{"grill": "grill_it", "inventory": "hold_nothing"}.get(name, name)] for name in VERB], np.int32)
DID = tuple("grill_it" if name == "grill" else name for name in HOW)  # replies to cutting and cooking, in order


@dataclasses.dataclass(frozen=True)
class Cooking(CookingView):
    """A long ordered chain with failure that cannot be undone. After the cooking games of TextWorld.

    The cookbook in the kitchen names up to four ingredients, each perhaps cut (sliced, diced, chopped: needs the knife)
    and cooked (fried at the stove, roasted in the oven, grilled at the grill, which may be in the yard). With all of
    them in hand and as they should be, the meal can be prepared in the kitchen, and eaten: success, reward 1. The
    recipe can be followed without having been read, which only luck or ``oracle_steps`` does;
    :meth:`honest_steps` adds the trip to the cookbook.

    A wrong cut, wrong cooking or cooking twice spoils an ingredient. With ``failure`` 0 the episode ends as a
    failure; with 1 it goes on without a solution (``solvable`` is false, ``oracle_steps`` -1); with 2 a fresh one
    lies where the first was. With ``dense_score`` the reward is one point for each thing done right for the first
    time (two ingredients cut and cooked: 8 points); success is still eating the meal, and ``performance`` counts
    only that.

    Subgoals: recipe read; ingredient ``j`` held, cut, cooked; meal prepared, eaten; those that a level does not have
    stay false and are left out of ``progress``. ``state_id`` is the room plus 6 times the latched subgoal bits.

    >>> import jax
    >>> env, params = Cooking(), CookingParams(rooms=1, ingredients=1, distractors=0, cut=1.0, cook=1.0, chilled=0.0)
    >>> state = env.reset(jax.random.key(0), params)
    >>> int(env.features(state, params)["oracle_steps"])  # take it and the knife, cut, cook, prepare, eat
    6

    Differs from the paper: a recipe and rooms for every level key instead of generated game files; foods are carried to
    be processed; cutting changes nothing but the food; at least five things can be carried, so the limit is never a
    dead end.
    """

    family: ClassVar[str] = "Cooking"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = CookingParams
    slots: ClassVar[int] = 84
    subgoal_names: ClassVar[tuple[str, ...]] = C.SUBGOAL_NAMES
    event_names: ClassVar[tuple[str, ...]] = (
        *("moved", "opened", "recipe_read", "took_ingredient", "took_other", "dropped_ingredient", "dropped_other"),
        *("cut_right", "cut_other", "cooked_right", "cooked_other", "spoilt", "meal_prepared"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "goal_distance", "solvable", "state_id"),
    )

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 6 * latched subgoal bits``."""
        return C.ROOMS << SUBGOALS

    def reset(self, key: Array, params: CookingParams) -> CookingState:
        state = generate(key, params, self.history)
        return state.replace(oracle_start=oracle_steps(state, params).astype(jnp.int16))

    # dynamics

    def _mask(self, state: CookingState, sight: Sight, params: CookingParams) -> Array:
        food = np.arange(THINGS) != KNIFE
        cuts = sight.held & food & sight.held[KNIFE] & (state.cut == 0)
        cooks = sight.held & food & (state.cook < C.BURNT)
        stove, one = cooks & sight.kitchen, jnp.bool_(True)
        return jnp.concatenate(
            [
                sight.there & ~sight.shut,
                sight.shut,
                sight.door & ~sight.shut,
                (sight.kitchen & state.fridge_shut)[None],
                sight.visible & ~sight.held & (sight.held.sum() < carry_limit(params)),
                sight.held,
                *(cuts, cuts, cuts, stove, stove, cooks & sight.grill),
                jnp.stack([sight.kitchen, sight.kitchen & ~state.prepared & C.ready(state)]),
                jnp.stack([state.prepared & ~state.eaten, one, one]),
            ]
        )

    def action_mask(self, state: CookingState, params: CookingParams) -> Array:
        return self._mask(state, self._sight(state), params)

    def step(self, state: CookingState, action: Array, params: CookingParams) -> tuple[CookingState, TimeStep]:
        sight = self._sight(state)
        turn = self._turn(action, self._mask(state, sight, params))
        does, verb, x = turn.does, turn.verb, turn.x

        chosen = jnp.arange(THINGS) == x
        edge = jnp.uint8(1) << sight.edge[x & 3].astype(jnp.uint8)
        cuts = does(*W.CUTS) & chosen
        cooks = does(*W.COOKS) & chosen
        cut = jnp.where(cuts, verb - VERB["slice"] + 1, state.cut)
        cook = jnp.where(cooks, jnp.where(state.cook > 0, C.BURNT, verb - VERB["fry"] + 1), state.cook)
        loc = jnp.where(does("take") & chosen, HELD, jnp.where(does("drop") & chosen, state.agent, state.loc))
        loc = jnp.where(does("prepare") & bits(state.needed, THINGS), -1, loc)
        shut = jnp.where(does("open"), state.shut & ~edge, jnp.where(does("close"), state.shut | edge, state.shut))
        new = state.replace(
            agent=jnp.where(does("go"), state.exits[state.agent, x & 3], state.agent),
            shut=shut,
            fridge_shut=state.fridge_shut & ~does("fridge"),
            loc=loc.astype(jnp.int8),
            cut=cut.astype(jnp.int8),
            cook=cook.astype(jnp.int8),
            read=state.read | does("read"),
            prepared=state.prepared | does("prepare"),
            eaten=state.eaten | does("eat"),
        )
        bad = spoilt(new) & (cuts | cooks)
        replace = bad & (jnp.asarray(params.failure) == C.FRESH)
        ruined = (bad | (cooks & (new.cook == C.BURNT))).any()
        ruin = jnp.where(replace.any(), T["ruin_fresh"], jnp.where(ruined, T["ruin"], 0))
        zero = jnp.int8(0)
        new = new.replace(
            loc=jnp.where(replace, state.home, new.loc),
            cut=jnp.where(replace, zero, new.cut),
            cook=jnp.where(replace, zero, new.cook),
            failed=state.failed | (bad.any() & (jnp.asarray(params.failure) <= C.END)),
        )
        new = self._after(state, new, self._subgoals(new, params), *self._reply(state, sight, turn, ruin))
        out = self._timestep(state, new, turn.valid, params)
        points = bits(new.fresh, SUBGOALS)[1:].sum() - ~turn.valid * jnp.asarray(params.invalid_penalty)
        dense = jnp.asarray(params.dense_score) > 0
        return new, out.replace(reward=jnp.where(dense, points, out.reward).astype(jnp.float32))

    def _reply(self, state: CookingState, sight: Sight, turn: Turn, ruin: Array) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        way, thing = turn.x & 3, jnp.minimum(turn.x, THINGS - 1)
        held, seen = sight.held[thing], sight.visible[thing]
        missing = [~seen, ~held, thing == KNIFE]
        not_mine = [T["refuse_sight"], T["refuse_hold"], T["refuse_tool"]]
        cut = jnp.select([*missing, ~sight.held[KNIFE]], [*not_mine, T["refuse_knife"]], T["refuse_cut"])
        cook = [
            jnp.select([*missing, ~here], [*not_mine, T[f"refuse_{tool}"]], T["refuse_ruined"])
            for tool, here in zip(W.APPLIANCES, (sight.kitchen, sight.kitchen, sight.grill), strict=True)
        ]
        refusals = {
            "go": jnp.where(sight.there[way], T["refuse_door_shut"], T["refuse_way"]),
            "open": jnp.where(sight.door[way], T["refuse_open"], T["refuse_door"]),
            "close": jnp.where(sight.door[way], T["refuse_shut"], T["refuse_door"]),
            "fridge": jnp.where(sight.kitchen, T["refuse_open"], T["refuse_sight"]),
            "take": jnp.select([held, seen], [T["refuse_have"], T["refuse_hands"]], T["refuse_sight"]),
            "drop": jnp.where(seen, T["refuse_hold"], T["refuse_sight"]),
            **dict.fromkeys(W.CUTS, cut),
            **dict(zip(W.COOKS, cook, strict=True)),
            "prepare": jnp.select(
                [state.prepared, ~sight.kitchen], [T["refuse_done"], T["refuse_kitchen"]], T["refuse_missing"]
            ),
            "eat": T["refuse_meal"],
        }
        count = sight.held.sum()
        said = jnp.where(ruin > 0, ruin, jnp.asarray(REPLY)[turn.verb])
        said += jnp.where(turn.asks("inventory"), jnp.minimum(count, 2), 0)
        template = turn.answer(said, turn.by_verb(refusals, T["refuse_sight"]))
        how = word(W.UNCUT, state.cut[thing])
        second = jnp.select(
            [turn.asks("go", "open", "close"), turn.asks("inventory")], [WAY + way, NUMBER + count], how
        )
        room = word(ROOM, state.room_name[jnp.clip(state.exits[state.agent, way], 0, C.ROOMS - 1)])
        nothing = jnp.zeros_like(room)
        return template, jnp.asarray(W.NOUN_WORD)[thing], second, nothing, jnp.where(turn.asks("go"), room, nothing)

    def _success(self, state: CookingState, params: CookingParams) -> Array:
        return state.eaten

    def _failure(self, state: CookingState, params: CookingParams) -> Array:
        return state.failed

    def oracle_steps(self, state: CookingState, params: CookingParams) -> Array:
        return oracle_steps(state, params)

    def honest_steps(self, state: CookingState, params: CookingParams) -> Array:
        """int32: steps from the start of an episode that begin with reading the cookbook."""
        return honest_steps(state, params)

    # features

    def _subgoals(self, state: CookingState, params: CookingParams) -> Array:
        return subgoals(state)

    def _subgoal_count(self, state: CookingState, params: CookingParams) -> Array:
        return C.has(state).sum()

    def _own_features(self, state: CookingState, params: CookingParams, common: dict[str, Array]) -> dict[str, Array]:
        return {
            "goal_distance": goal_distance(state, params),
            "state_id": state.agent.astype(jnp.int32) + C.ROOMS * state.latched.astype(jnp.int32),
        }

    def _thing(self, state: CookingState) -> tuple[Array, Array]:
        """The thing that the last reply names, and whether it is an ingredient."""
        thing = jnp.argmax(jnp.asarray(W.NOUN_WORD) == state.log[0, 1])
        return thing, ((state.needed >> thing.astype(jnp.uint16)) & 1).astype(bool)

    def _events(self, state: CookingState, params: CookingParams) -> Array:
        said, mine = lambda *names: self._said(state, *names), self._thing(state)[1]
        kinds = said("take"), said("drop"), said(*DID[:3]), said(*DID[3:])
        both = [flag for event in kinds for flag in (event & mine, event & ~mine)]
        ruined, first = said("ruin", "ruin_fresh"), (said("go"), said("open", "fridge"), said("read"))
        both[-1] |= ruined & ~mine
        return jnp.stack([*first, *both, ruined & mine, said("prepare")])

    def _caption_offset(self, state: CookingState) -> Array:
        said, _, way, _, room = state.log[0].astype(jnp.int32)
        thing, mine = self._thing(state)
        about_thing = (said >= T["take"]) & (said <= T["ruin_fresh"])
        walked = (way - WAY) * len(ROOMS) + room - ROOM
        return jnp.select([said == T["go"], about_thing], [walked, 2 * thing + mine], 0)
