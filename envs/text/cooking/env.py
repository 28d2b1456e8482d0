"""Cooking: read the recipe, gather, cut and cook, prepare the meal and eat it."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.cooking import level as C
from rewardax.envs.text.cooking import words as W
from rewardax.envs.text.cooking.level import HELD, CookingParams, CookingState, carry_limit, generate, spoilt, subgoals
from rewardax.envs.text.cooking.oracle import goal_distance, honest_steps, oracle_steps
from rewardax.envs.text.cooking.view import HOW, CookingView, Sight
from rewardax.envs.text.cooking.words import KNIFE, THINGS
from rewardax.envs.text.engine.env import NOT_A_COMMAND, word
from rewardax.envs.text.engine.world import bits, pack

T, VERB = W.T, W.VERB
SUBGOALS = len(C.SUBGOAL_NAMES)
REPLY = np.array([T[{"grill": "grill_it", "inventory": "hold_nothing"}.get(name, name)] for name in VERB], np.int32)
DID = tuple("grill_it" if name == "grill" else name for name in HOW)  # replies to cutting and cooking, in order


@dataclasses.dataclass(frozen=True)
class Cooking(CookingView):
    """A long ordered chain with failure that cannot be undone. After the cooking games of TextWorld.

    The cookbook in the kitchen tells up to four ingredients, each perhaps cut (sliced, diced, chopped: needs the knife)
    and cooked (fried at the stove, roasted in the oven, grilled at the grill, which may be in the yard). With all of
    them in hand and as they should be, the meal can be prepared in the kitchen, and eaten: success, reward 1. The
    recipe can be followed without having been read, which only luck or ``oracle_steps`` does;
    :meth:`honest_steps` adds the trip to the cookbook.

    A wrong cut, wrong cooking or cooking twice spoils an ingredient. Knob ``failure``: 0 the episode ends as a failure;
    1 it goes on without a solution (``solvable`` is false, ``oracle_steps`` -1); 2 a fresh one lies where the first
    was. With ``dense_score`` the reward is one point for each thing done right for the first time (two ingredients cut
    and cooked: 8 points); success is still eating the meal, and ``performance`` counts only that.

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
    templates: ClassVar[L.Templates] = W.TEMPLATES
    action_templates: ClassVar[L.Templates] = W.COMMANDS
    replies: ClassVar[tuple[str, ...]] = W.REPLIES
    verbs: ClassVar[tuple[str, ...]] = W.VERBS
    slots: ClassVar[int] = 84
    subgoal_names: ClassVar[tuple[str, ...]] = C.SUBGOAL_NAMES
    event_names: ClassVar[tuple[str, ...]] = (
        *("moved", "opened", "recipe_read", "took_ingredient", "took_other", "dropped_ingredient", "dropped_other"),
        *("cut_right", "cut_other", "cooked_right", "cooked_other", "spoilt", "meal_prepared"),
    )
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "goal_distance", "solvable", "valid", "invalid_reason", "state_hash", "obs_hash", "state_id"),
        *("events", "caption_id"),
    )

    @property
    def action_names(self) -> tuple[str, ...]:
        return W.action_names()

    @property
    def num_actions(self) -> int:
        return len(W.ARGUMENTS)

    @property
    def captions(self) -> tuple[str, ...]:
        return W.CAPTIONS

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 6 * latched subgoal bits``."""
        return C.ROOMS << SUBGOALS

    def default_params(self) -> CookingParams:
        return CookingParams()

    def horizon(self, params: CookingParams) -> int:
        return int(params.horizon)

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
        action = jnp.asarray(action, jnp.int32)
        sight = self._sight(state)
        real = (action >= 0) & (action < self.num_actions)
        at = jnp.clip(action, 0, self.num_actions - 1)
        verb, x = jnp.asarray(W.ARGUMENTS)[at]
        valid = real & self._mask(state, sight, params)[at]
        does = lambda name: valid & (verb == VERB[name])  # noqa: E731

        chosen = jnp.arange(THINGS) == x
        edge = jnp.uint8(1) << sight.edge[x & 3].astype(jnp.uint8)
        cuts = valid & (verb >= VERB["slice"]) & (verb <= VERB["chop"]) & chosen
        cooks = valid & (verb >= VERB["fry"]) & (verb <= VERB["grill"]) & chosen
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
            t=state.t + jnp.int16(1),
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
        new = new.replace(log=self._remember(state.log, *self._reply(state, sight, verb, x, valid, real, ruin)))
        now = pack(subgoals(new), jnp.uint16)
        new = new.replace(latched=state.latched | now, fresh=now & ~state.latched)
        out = self._timestep(state.eaten, new.eaten, ~valid, new.t, params, failed=new.failed)
        points = bits(new.fresh, SUBGOALS)[1:].sum() - ~valid * jnp.asarray(params.invalid_penalty)
        dense = jnp.asarray(params.dense_score) > 0
        return new, out.replace(reward=jnp.where(dense, points, out.reward).astype(jnp.float32))

    def _reply(
        self,
        state: CookingState,
        sight: Sight,
        verb: Array,
        x: Array,
        valid: Array,
        real: Array,
        ruin: Array,
    ) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        way, thing = x & 3, jnp.minimum(x, THINGS - 1)
        held, seen = sight.held[thing], sight.visible[thing]
        missing = [~seen, ~held, thing == KNIFE]
        not_mine = [T["refuse_sight"], T["refuse_hold"], T["refuse_tool"]]
        cut = jnp.select([*missing, ~sight.held[KNIFE]], [*not_mine, T["refuse_knife"]], T["refuse_cut"])
        cook = [
            jnp.select([*missing, ~here], [*not_mine, T[f"refuse_{tool}"]], T["refuse_ruined"])
            for tool, here in zip(W.APPLIANCES, (sight.kitchen, sight.kitchen, sight.grill), strict=True)
        ]
        refusals: list[Any] = [
            jnp.where(sight.there[way], T["refuse_door_shut"], T["refuse_way"]),
            jnp.where(sight.door[way], T["refuse_open"], T["refuse_door"]),
            jnp.where(sight.door[way], T["refuse_shut"], T["refuse_door"]),
            jnp.where(sight.kitchen, T["refuse_open"], T["refuse_sight"]),
            jnp.select([held, seen], [T["refuse_have"], T["refuse_hands"]], T["refuse_sight"]),
            jnp.where(seen, T["refuse_hold"], T["refuse_sight"]),
            *(cut, cut, cut, *cook),
            T["refuse_sight"],
            jnp.select([state.prepared, ~sight.kitchen], [T["refuse_done"], T["refuse_kitchen"]], T["refuse_missing"]),
            T["refuse_meal"],
        ]
        refusal = jnp.select([verb == v for v in range(len(refusals))], refusals, T["refuse_sight"])
        count = sight.held.sum()
        said = jnp.where(ruin > 0, ruin, jnp.asarray(REPLY)[verb])
        said += jnp.where(verb == VERB["inventory"], jnp.minimum(count, 2), 0)
        template = jnp.where(valid, said, jnp.where(real, refusal, T[NOT_A_COMMAND]))
        how = word(W.UNCUT, state.cut[thing])
        second = jnp.select([verb <= VERB["close"], verb == VERB["inventory"]], [W.WAY + way, W.NUMBER + count], how)
        room = word(W.ROOM, state.room_name[jnp.clip(state.exits[state.agent, way], 0, C.ROOMS - 1)])
        nothing = jnp.zeros_like(room)
        return template, jnp.asarray(W.NOUN_WORD)[thing], second, nothing, jnp.where(verb == VERB["go"], room, nothing)

    # features

    def features(self, state: CookingState, params: CookingParams) -> dict[str, Array]:
        latched = bits(state.latched, SUBGOALS)
        reason = self._invalid_reason(state)
        left = oracle_steps(state, params)
        return {
            "success": state.eaten,
            "failure": state.failed,
            "subgoals": latched,
            "subgoals_now": subgoals(state),
            "subgoal_event": bits(state.fresh, SUBGOALS),
            "progress": latched.sum() / C.has(state).sum().astype(jnp.float32),
            "oracle_steps": left,
            "oracle_start": state.oracle_start.astype(jnp.int32),
            "goal_distance": goal_distance(state, params),
            "solvable": left >= 0,
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": self._state_hash(state),
            "obs_hash": self._obs_hash(state, params),
            "state_id": state.agent.astype(jnp.int32) + C.ROOMS * state.latched.astype(jnp.int32),
            "events": self._events(state),
            "caption_id": self._caption(state),
        }

    def oracle_steps(self, state: CookingState, params: CookingParams) -> Array:
        return oracle_steps(state, params)

    def honest_steps(self, state: CookingState, params: CookingParams) -> Array:
        """int32: steps from the start of an episode that begin with reading the cookbook."""
        return honest_steps(state, params)

    def _state_hash(self, state: CookingState) -> Array:
        ignored = {"paths", "fresh", "log", "t", "oracle_start"}
        names = [field.name for field in dataclasses.fields(state) if field.name not in ignored]
        return L.hash_words(*(getattr(state, name) for name in names))

    def _thing(self, state: CookingState) -> tuple[Array, Array]:
        """The thing that the last reply names, and whether it is an ingredient."""
        thing = jnp.argmax(jnp.asarray(W.NOUN_WORD) == state.log[0, 1])
        return thing, ((state.needed >> thing.astype(jnp.uint16)) & 1).astype(bool)

    def _events(self, state: CookingState) -> Array:
        said, mine = state.log[0, 0], self._thing(state)[1]
        is_one = lambda *names: jnp.stack([said == T[name] for name in names]).any()  # noqa: E731
        kinds = is_one("take"), is_one("drop"), is_one(*DID[:3]), is_one(*DID[3:])
        both = [flag for event in kinds for flag in (event & mine, event & ~mine)]
        ruined, first = is_one("ruin", "ruin_fresh"), (is_one("go"), is_one("open", "fridge"), is_one("read"))
        both[-1] |= ruined & ~mine
        return jnp.stack([*first, *both, ruined & mine, is_one("prepare")])

    def _caption(self, state: CookingState) -> Array:
        said, _, way, _, room = state.log[0].astype(jnp.int32)
        thing, mine = self._thing(state)
        about_thing = (said >= T["take"]) & (said <= T["ruin_fresh"])
        offset = jnp.select([said == T["go"], about_thing], [(way - W.WAY) * 32 + room - W.ROOM, 2 * thing + mine], 0)
        return (jnp.asarray(W.CAPTION_START)[said] + offset).astype(jnp.int32)
