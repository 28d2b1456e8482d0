"""Household: find things, clean, heat or cool them, and put them where the task wants them. ALFWorld in miniature."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.engine.env import NOT_A_COMMAND
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.household import level as H
from rewardax.envs.text.household import words as W
from rewardax.envs.text.household.level import HELD, HouseholdParams, HouseholdState, generate, subgoals, succeeded
from rewardax.envs.text.household.oracle import honest_steps, oracle_steps
from rewardax.envs.text.household.view import HouseholdView, Sight
from rewardax.envs.text.household.words import PLACES, THINGS

T, VERB = W.T, W.VERB
SUBGOALS = len(H.SUBGOAL_NAMES)
REPLY = np.array([T.get({"put": "put_in", "inventory": "hold_nothing"}.get(name, name), 0) for name in VERB], np.int32)


@dataclasses.dataclass(frozen=True)
class Household(HouseholdView):
    """Search a kitchen, process what was found, put it where it belongs. The standard pair with the web shop.

    Up to 14 pieces of furniture hold up to 12 things. The agent has to be at a place to see or use what is there; what
    is closed hides its content; the hands hold one thing. Six kinds of task (knob ``goals``): put a thing into a kind
    of furniture; the same after cleaning it at the sink, heating it at the microwave or cooling it at the fridge; look
    at it under the lamp (hold it at the desk while the lamp is on); put two of a kind into the same piece of furniture.
    Success, reward 1, ends the episode; there is no failure and no dead end; the step limit truncates.

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

    Differs from the paper: names are a quality or colour and a noun instead of numbers ("the small apple", "the red
    cabinet"); one kitchen instead of four rooms with up to 50 receptacles; heating, cooling and cleaning have one
    appliance each, as there.
    """

    family: ClassVar[str] = "Household"
    templates: ClassVar[L.Templates] = W.TEMPLATES
    action_templates: ClassVar[L.Templates] = W.COMMANDS
    replies: ClassVar[tuple[str, ...]] = W.REPLIES
    verbs: ClassVar[tuple[str, ...]] = W.VERBS
    slots: ClassVar[int] = 56
    subgoal_names: ClassVar[tuple[str, ...]] = H.SUBGOAL_NAMES
    event_names: ClassVar[tuple[str, ...]] = (
        *("moved", "opened", "closed", "took_target", "took_other", "put_target", "put_other"),
        *("processed_target", "processed_other", "lamp_lit"),
    )
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "valid", "invalid_reason", "state_hash", "obs_hash", "state_id", "events", "caption_id"),
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
        """``state_id = place + 1 + 15 * latched subgoal bits``."""
        return (PLACES + 1) << SUBGOALS

    def default_params(self) -> HouseholdParams:
        return HouseholdParams()

    def horizon(self, params: HouseholdParams) -> int:
        return int(params.horizon)

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
        action = jnp.asarray(action, jnp.int32)
        sight = self._sight(state)
        real = (action >= 0) & (action < self.num_actions)
        at = jnp.clip(action, 0, self.num_actions - 1)
        verb, x = jnp.asarray(W.ARGUMENTS)[at]
        valid = real & self._mask(state, sight)[at]
        does = lambda name: valid & (verb == VERB[name])  # noqa: E731
        bit = lambda when, index: jnp.where(when, jnp.uint16(1) << index.astype(jnp.uint16), 0)  # noqa: E731

        chosen = jnp.arange(THINGS) == x
        loc = jnp.where(does("take") & chosen, HELD, jnp.where(does("put") & sight.held, state.at, state.loc))
        heats, cools = bit(does("heat"), sight.hand), bit(does("cool"), sight.hand)
        before = succeeded(state)
        new = state.replace(
            at=jnp.where(does("go"), x, state.at).astype(jnp.int8),
            shut=(state.shut & ~bit(does("open"), x)) | bit(does("close"), x),
            loc=loc.astype(jnp.int8),
            clean=state.clean | bit(does("clean"), sight.hand),
            hot=(state.hot | heats) & ~cools,
            cold=(state.cold | cools) & ~heats,
            lamp=state.lamp | does("lamp"),
            log=self._remember(state.log, *self._reply(state, sight, verb, x, valid, real)),
            t=state.t + jnp.int16(1),
        )
        now = pack(subgoals(new))
        new = new.replace(latched=state.latched | now, fresh=now & ~state.latched)
        return new, self._timestep(before, succeeded(new), ~valid, new.t, params)

    def _reply(
        self, state: HouseholdState, sight: Sight, verb: Array, x: Array, valid: Array, real: Array
    ) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        named = (verb == VERB["take"]) | (verb == VERB["examine"])
        thing = jnp.where(named, jnp.minimum(x, THINGS - 1), sight.hand)
        place = jnp.where(verb <= VERB["close"], jnp.minimum(x, PLACES - 1), sight.at)
        seen = sight.visible[thing]
        strange = [~sight.exists[place], ~sight.here[place], ~jnp.asarray(W.OPENABLE)[place]]
        lid = [T["refuse_absent"], T["refuse_far"], T["refuse_solid"]]
        able = bits(state.able[sight.hand], 3)
        process = [
            jnp.select(
                [~sight.full, ~sight.here[where], ~able[i]],
                [T["refuse_empty"], T[f"refuse_{name}_where"], T[f"refuse_{name}"]],
                T[f"refuse_is_{done}"],
            )
            for i, (name, done, where) in enumerate(
                (("clean", "clean", W.SINK), ("heat", "hot", W.MICROWAVE), ("cool", "cold", W.FRIDGE))
            )
        ]
        refusals = [
            jnp.where(strange[0], T["refuse_absent"], T["refuse_here"]),
            jnp.select(strange, lid, T["refuse_open"]),
            jnp.select(strange, lid, T["refuse_closed"]),
            jnp.select([sight.held[thing], ~seen], [T["refuse_have"], T["refuse_sight"]], T["refuse_hands"]),
            jnp.select(
                [~sight.full, ~sight.there, sight.closed],
                [T["refuse_empty"], T["refuse_nowhere"], T["refuse_shut"]],
                T["refuse_fit"],
            ),
            *process,
            jnp.where(sight.here[W.DESK], T["refuse_lamp"], T["refuse_lamp_where"]),
        ]
        refusal = jnp.select([verb == v for v in range(len(refusals))], refusals, T["refuse_sight"])
        said = jnp.asarray(REPLY)[verb]
        said += (verb == VERB["put"]) & ~jnp.asarray(W.INSIDE)[sight.at]  # onto
        said += (verb == VERB["inventory"]) & sight.full
        template = jnp.where(valid, said, jnp.where(real, refusal, T[NOT_A_COMMAND]))
        thing = jnp.where(template == T["refuse_hands"], sight.hand, thing)
        return template, state.quality[thing], state.noun[thing], state.colour[place], jnp.asarray(W.PLACE_WORD)[place]

    # features

    def features(self, state: HouseholdState, params: HouseholdParams) -> dict[str, Array]:
        latched, has = bits(state.latched, SUBGOALS), jnp.asarray(H.HAS)[state.goal[0]]
        reason = self._invalid_reason(state)
        return {
            "success": succeeded(state),
            "failure": jnp.bool_(False),
            "subgoals": latched,
            "subgoals_now": subgoals(state),
            "subgoal_event": bits(state.fresh, SUBGOALS),
            "progress": latched.sum() / has.sum().astype(jnp.float32),
            "oracle_steps": oracle_steps(state),
            "oracle_start": state.oracle_start.astype(jnp.int32),
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": self._state_hash(state),
            "obs_hash": self._obs_hash(state, params),
            "state_id": state.at.astype(jnp.int32) + 1 + (PLACES + 1) * state.latched.astype(jnp.int32),
            "events": self._events(state),
            "caption_id": self._caption(state),
        }

    def oracle_steps(self, state: HouseholdState, params: HouseholdParams) -> Array:
        return oracle_steps(state)

    def honest_steps(self, state: HouseholdState) -> Array:
        """int32: steps of a systematic searcher from the start of an episode."""
        return honest_steps(state)

    def _state_hash(self, state: HouseholdState) -> Array:
        ignored = {"fresh", "log", "t", "oracle_start"}
        names = [field.name for field in dataclasses.fields(state) if field.name not in ignored]
        return L.hash_words(*(getattr(state, name) for name in names))

    def _about_target(self, state: HouseholdState) -> Array:
        """bool: the last reply names a thing of the wanted kind."""
        return state.log[0, 2] == jnp.asarray(W.KIND_WORD)[state.goal[1]]

    def _events(self, state: HouseholdState) -> Array:
        said, target = state.log[0, 0], self._about_target(state)
        is_one = lambda *names: jnp.stack([said == T[name] for name in names]).any()  # noqa: E731
        took, put, processed = is_one("take"), is_one("put_in", "put_on"), is_one("clean", "heat", "cool")
        both = [flag for event in (took, put, processed) for flag in (event & target, event & ~target)]
        return jnp.stack([is_one("go"), is_one("open"), is_one("close"), *both, is_one("lamp")])

    def _caption(self, state: HouseholdState) -> Array:
        said, _, noun, _, furniture = state.log[0].astype(jnp.int32)
        thing = 2 * jnp.argmax(jnp.asarray(W.KIND_WORD) == noun) + self._about_target(state)
        put = (said == T["put_in"]) | (said == T["put_on"])
        wanted = furniture == jnp.asarray(W.PLACE_WORD)[state.goal[2]]
        about_place = (said == T["go"]) | (said == T["open"]) | (said == T["close"])
        about_thing = put | (said == T["take"]) | ((said >= T["clean"]) & (said <= T["cool"]))
        kinds = jnp.asarray(W.PLACE_WORD[W.FIRST])
        offset = jnp.select([about_place, about_thing], [jnp.argmax(kinds == furniture), thing], 0)
        return (jnp.asarray(W.CAPTION_START)[said] + offset + jnp.where(put & wanted, W.GOAL_PUT, 0)).astype(jnp.int32)
