"""Household: find things, clean, heat or cool them, and put them where the task wants them. ALFWorld in miniature."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.text.engine.env import feature_list
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import bits
from rewardax.envs.text.household import level as H
from rewardax.envs.text.household import words as W
from rewardax.envs.text.household.level import HELD, HouseholdParams, HouseholdState, generate, subgoals, succeeded
from rewardax.envs.text.household.oracle import honest_steps, oracle_steps
from rewardax.envs.text.household.view import HouseholdView, Sight
from rewardax.envs.text.household.words import PLACES, THINGS

T, VERB = W.T, W.WORDS.verb
SUBGOALS = len(H.SUBGOAL_NAMES)
REPLY = np.array([T.get({"put": "put_in", "inventory": "hold_nothing"}.get(name, name), 0) for name in VERB], np.int32)


@dataclasses.dataclass(frozen=True)
class Household(HouseholdView):
    """Search a kitchen, process what was found, put it where it belongs. The standard pair with the web shop.

    Up to 14 pieces of furniture hold up to 12 things. The agent has to be at a place to see or use what is there;
    what is closed hides its content; the hands hold one thing. Six kinds of task (parameter ``goals``): put a thing
    into a kind of furniture; the same after cleaning it at the sink, heating it at the microwave or cooling it at
    the fridge; look at it under the lamp (hold it at the desk while the lamp is on); put two of a kind into the
    same piece of furniture. Success, reward 1, ends the episode; there is no failure and no dead end; the step
    limit truncates.

    Subgoals: wanted thing seen, held, processed (or the lamp lit), delivered; for tasks with two things also second
    one held and delivered. Those a task does not have stay false and are left out of ``progress``. Taking and putting
    the wanted thing for ever farms a bonus that is not latched. ``oracle_steps`` knows where everything is;
    :meth:`honest_steps` is what a systematic searcher needs. ``state_id`` is the place plus 1 plus 15 times the latched
    subgoal bits.

    >>> import jax
    >>> env, params = Household(), HouseholdParams(goals=1, places=3, things=2)
    >>> state = env.reset(jax.random.key(0), params)
    >>> int(env.features(state, params)["oracle_steps"])
    4

    Differs from the paper: names are a quality or color and a noun instead of numbers ("the small apple", "the red
    cabinet"); one kitchen instead of four rooms with up to 50 receptacles; heating, cooling and cleaning have one
    appliance each, as there.
    """

    family: ClassVar[str] = "Household"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = HouseholdParams
    slots: ClassVar[int] = 56
    subgoal_names: ClassVar[tuple[str, ...]] = H.SUBGOAL_NAMES
    event_names: ClassVar[tuple[str, ...]] = (
        *("moved", "opened", "closed", "took_target", "took_other", "put_target", "put_other"),
        *("processed_target", "processed_other", "lamp_lit"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list("oracle_steps", "oracle_start", "state_id")

    @property
    def num_state_ids(self) -> int:
        """``state_id = place + 1 + 15 * latched subgoal bits``."""
        return (PLACES + 1) << SUBGOALS

    def reset(self, key: Array, params: HouseholdParams) -> HouseholdState:
        state = generate(key, params, self.history)
        return state.replace(oracle_start=oracle_steps(state).astype(jnp.int16))

    # dynamics

    def _mask(self, state: HouseholdState, sight: Sight) -> Array:
        bit = lambda flags, index: ((flags >> index.astype(flags.dtype)) & 1).astype(bool)  # noqa: E731
        fits = bit(state.fits[sight.hand], sight.at)
        able = bits(state.able[sight.hand], 3) & sight.full
        done = jnp.stack([bit(flags, sight.hand) for flags in (state.clean, state.hot, state.cold)])
        one = jnp.ones(1, bool)
        return jnp.concatenate(
            [
                sight.exists & ~sight.here,
                sight.here & sight.shut,
                sight.here & W.OPENABLE & ~sight.shut,
                sight.visible & ~sight.full,
                (sight.full & sight.there & ~sight.closed & fits)[None],
                able & sight.here[np.array([W.SINK, W.MICROWAVE, W.FRIDGE])] & ~done,
                (sight.here[W.DESK] & ~state.lamp)[None],
                sight.visible,
                one,
                one,
            ]
        )

    def action_mask(self, state: HouseholdState, params: HouseholdParams) -> Array:
        return self._mask(state, self._sight(state))

    def step(self, state: HouseholdState, action: Array, params: HouseholdParams) -> tuple[HouseholdState, TimeStep]:
        sight = self._sight(state)
        turn = self._turn(action, self._mask(state, sight))
        does, x = turn.does, turn.x
        bit = lambda when, index: jnp.where(when, jnp.uint16(1) << index.astype(jnp.uint16), 0)  # noqa: E731

        chosen = jnp.arange(THINGS) == x
        loc = jnp.where(does("take") & chosen, HELD, jnp.where(does("put") & sight.held, state.at, state.loc))
        heats, cools = bit(does("heat"), sight.hand), bit(does("cool"), sight.hand)
        new = state.replace(
            at=jnp.where(does("go"), x, state.at).astype(jnp.int8),
            shut=(state.shut & ~bit(does("open"), x)) | bit(does("close"), x),
            loc=loc.astype(jnp.int8),
            clean=state.clean | bit(does("clean"), sight.hand),
            hot=(state.hot | heats) & ~cools,
            cold=(state.cold | cools) & ~heats,
            lamp=state.lamp | does("lamp"),
        )
        new = self._after(state, new, self._subgoals(new, params), *self._reply(state, sight, turn))
        return new, self._timestep(state, new, turn.valid, params)

    def _reply(self, state: HouseholdState, sight: Sight, turn: Turn) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        named, going = turn.asks("take", "examine"), turn.asks("go", "open", "close")
        thing = jnp.where(named, jnp.minimum(turn.x, THINGS - 1), sight.hand)
        place = jnp.where(going, jnp.minimum(turn.x, PLACES - 1), sight.at)
        seen = sight.visible[thing]
        strange = [~sight.exists[place], ~sight.here[place], ~jnp.asarray(W.OPENABLE)[place]]
        lid = [T["refuse_absent"], T["refuse_far"], T["refuse_solid"]]
        able = bits(state.able[sight.hand], 3)
        process = {
            name: jnp.select(
                [~sight.full, ~sight.here[where], ~able[i]],
                [T["refuse_empty"], T[f"refuse_{name}_where"], T[f"refuse_{name}"]],
                T[f"refuse_is_{done}"],
            )
            for i, (name, done, where) in enumerate(
                (("clean", "clean", W.SINK), ("heat", "hot", W.MICROWAVE), ("cool", "cold", W.FRIDGE))
            )
        }
        refusals = {
            "go": jnp.where(strange[0], T["refuse_absent"], T["refuse_here"]),
            "open": jnp.select(strange, lid, T["refuse_open"]),
            "close": jnp.select(strange, lid, T["refuse_closed"]),
            "take": jnp.select([sight.held[thing], ~seen], [T["refuse_have"], T["refuse_sight"]], T["refuse_hands"]),
            "put": jnp.select(
                [~sight.full, ~sight.there, sight.closed],
                [T["refuse_empty"], T["refuse_nowhere"], T["refuse_shut"]],
                T["refuse_fit"],
            ),
            **process,
            "lamp": jnp.where(sight.here[W.DESK], T["refuse_lamp"], T["refuse_lamp_where"]),
        }
        said = jnp.asarray(REPLY)[turn.verb]
        said += turn.asks("put") & ~jnp.asarray(W.INSIDE)[sight.at]  # onto
        said += turn.asks("inventory") & sight.full
        template = turn.answer(said, turn.by_verb(refusals, T["refuse_sight"]))
        thing = jnp.where(template == T["refuse_hands"], sight.hand, thing)
        return template, state.quality[thing], state.noun[thing], state.color[place], jnp.asarray(W.PLACE_WORD)[place]

    def _success(self, state: HouseholdState, params: HouseholdParams) -> Array:
        return succeeded(state)

    def oracle_steps(self, state: HouseholdState, params: HouseholdParams) -> Array:
        return oracle_steps(state)

    def honest_steps(self, state: HouseholdState) -> Array:
        """int32: steps of a systematic searcher from the start of an episode."""
        return honest_steps(state)

    # features

    def _subgoals(self, state: HouseholdState, params: HouseholdParams) -> Array:
        return subgoals(state)

    def _subgoal_count(self, state: HouseholdState, params: HouseholdParams) -> Array:
        return jnp.asarray(H.HAS)[state.goal[0]].sum()

    def _own_features(
        self, state: HouseholdState, params: HouseholdParams, common: dict[str, Array]
    ) -> dict[str, Array]:
        return {"state_id": state.at.astype(jnp.int32) + 1 + (PLACES + 1) * state.latched.astype(jnp.int32)}

    def _about_target(self, state: HouseholdState) -> Array:
        """bool: the last reply names a thing of the wanted kind."""
        return state.log[0, 2] == jnp.asarray(W.KIND_WORD)[state.goal[1]]

    def _events(self, state: HouseholdState, params: HouseholdParams) -> Array:
        said, target = lambda *names: self._said(state, *names), self._about_target(state)
        took, put, processed = said("take"), said("put_in", "put_on"), said("clean", "heat", "cool")
        both = [flag for event in (took, put, processed) for flag in (event & target, event & ~target)]
        return jnp.stack([said("go"), said("open"), said("close"), *both, said("lamp")])

    def _caption_offset(self, state: HouseholdState) -> Array:
        _, _, noun, _, furniture = state.log[0].astype(jnp.int32)
        thing = 2 * jnp.argmax(jnp.asarray(W.KIND_WORD) == noun) + self._about_target(state)
        put = self._said(state, "put_in", "put_on")
        wanted = furniture == jnp.asarray(W.PLACE_WORD)[state.goal[2]]
        about_place = self._said(state, "go", "open", "close")
        about_thing = put | self._said(state, "take", "clean", "heat", "cool")
        kinds = jnp.asarray(W.PLACE_WORD[W.FIRST])
        offset = jnp.select([about_place, about_thing], [jnp.argmax(kinds == furniture), thing], 0)
        return offset + jnp.where(put & wanted, W.GOAL_PUT, 0)
