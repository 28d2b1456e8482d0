"""Lab: small experiments in which things take time, and in which one wrong focus ends everything."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language.vocab import NUMBER, ROOM, WAY
from rewardax.envs.language.vocab import ROOMS as ROOM_WORDS
from rewardax.envs.text.engine.env import feature_list
from rewardax.envs.text.engine.pages import word
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.lab import level as V
from rewardax.envs.text.lab import things as K
from rewardax.envs.text.lab import words as W
from rewardax.envs.text.lab.level import DEVICES, HOLDERS, ROOMS, THINGS, LabParams, LabState
from rewardax.envs.text.lab.oracle import oracle_steps
from rewardax.envs.text.lab.view import LabView, Sight, reading

T = W.T
REQUIRED = ("target_seen", "target_held", "target_placed", "process_started", "change_made", "task_done")
OPTIONAL = ("place_of_work_seen", "tool_held", "target_measured")
SUBGOALS = len(REQUIRED) + len(OPTIONAL)
# which of the required subgoals a task has
STAGES = np.array(
    [
        (1, 0, 0, 0, 1, 1),  # find: what is made is the choice
        *((1, 1, 1, 1, 1, 1),) * 5,
        (1, 1, 1, 0, 1, 1),  # mix
    ],
    bool,
)
SHARE = 15  # percent of progress that is for the optional subgoals


@dataclasses.dataclass(frozen=True)
class Lab(LabView):
    """Boil, melt, freeze, measure, grow, mix or find something. Effects take time, and one wrong focus ends it all.

    Up to six rooms hold a stove (300 degrees when on), a freezer (-20, on at the start), a lamp, two boxes or a clay
    pot or a cup, and things. In every step each thing gets ``rate`` degrees closer to the warmth around it; melting and
    boiling points make it a solid, a liquid or a gas. A seed in the wet soil of the pot grows in the light, one stage
    per ``growth`` steps; water lasts for five. Two paints in the cup make a third color, any wrong pair brown, which
    cannot be undone. One hand carries one thing; thermometer and watering can need none.

    Tasks: find a thing that is (not) alive, focus on it and put it into the named box; boil, melt or freeze the target
    and focus on it in that phase; melt the unknown substance, use the thermometer on the liquid and put it into the red
    box if it melts above the threshold, else into the blue one; grow the seed and focus on the flower; mix the color
    and focus on it. Success, reward 1, ends the episode. So does focusing on anything else, or putting the substance
    into the wrong box or there unmeasured: failure, reward ``-focus_penalty``. The step limit truncates.

    Subgoals in order, each latched only when those before it are: target seen, held, placed (stove, freezer, pot, cup),
    process started (heat, cold, water and light), change made (the phase, the reading, the flower, the color; find:
    the focus), task done; find has no held, placed and started, mix no started. Optional: place of work seen, a tool
    held, the target measured. ``progress`` gives 85 % to the first and 15 % to the second in equal parts and is 1 at
    success; 100 times it is a score as ScienceWorld publishes it. ``state_id`` is the room plus 6 times the subgoal
    bits. ``oracle_steps`` knows where everything is, and which paints make which color.

    >>> import jax
    >>> env, params = Lab(), LabParams(tasks=2, rooms=1, distractors=0)
    >>> state = env.reset(jax.random.key(0), params)
    >>> env.text(state, params)[:83]
    'boil the fish oil and focus on it when it is a gas. you are in the studio. the stov'
    >>> int(env.features(state, params)["oracle_steps"])
    13

    Differs from the paper: one step of the original may heat by any amount and many things have containers; here a step
    is ``rate`` degrees and samples are handled as such. Pollination is left out.
    """

    family: ClassVar[str] = "Lab"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = LabParams
    slots: ClassVar[int] = 48
    subgoal_names: ClassVar[tuple[str, ...]] = (*REQUIRED, *OPTIONAL)
    event_names: ClassVar[tuple[str, ...]] = (
        *("moved", "took", "dropped", "put_into", "turned_on", "turned_off", "measured", "poured", "focused"),
        *("waited", "phase_changed", "grew"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "goal_distance", "solvable", "state_id", "task_id"),
    )

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 6 * subgoal bits``."""
        return ROOMS << SUBGOALS

    def reset(self, key: Array, params: LabParams) -> LabState:
        state = V.generate(key, params, self.history)
        now = self._subgoals(state, params)
        state = state.replace(latched=pack(self._in_order(state, jnp.zeros(SUBGOALS, bool), now), jnp.uint16))
        return state.replace(oracle_start=oracle_steps(state, params).astype(jnp.int16))

    # dynamics

    def _mask(self, state: LabState, sight: Sight) -> Array:
        free = V.tool(state) | ~sight.hand
        can_take = sight.visible & ~sight.held & ~sight.poured & free
        holders = sight.holder_here & ((jnp.arange(HOLDERS) != V.FIRST_BOX) | (state.task != K.MIX))
        cup = sight.holder_here[V.FIRST_BOX] & (state.task == K.MIX)
        pot = sight.holder_here[V.FIRST_BOX] & (state.task == K.GROW)
        can_pour = sight.held & (((state.kind == K.PAINT) & cup) | ((state.kind == K.CAN) & pot))
        return jnp.concatenate(
            [
                sight.there,
                can_take,
                sight.held,
                (sight.held[:, None] & holders).reshape(-1),
                sight.device_here & ~sight.on,
                sight.device_here & sight.on,
                sight.visible & sight.thermometer & (state.kind != K.THERMOMETER),
                can_pour,
                sight.visible,
                jnp.ones(3, bool),
            ]
        )

    def action_mask(self, state: LabState, params: LabParams) -> Array:
        return self._mask(state, self._sight(state))

    def step(self, state: LabState, action: Array, params: LabParams) -> tuple[LabState, TimeStep]:
        sight = self._sight(state)
        turn = self._turn(action, self._mask(state, sight))
        does, x, y = turn.does, turn.x, turn.y
        this = jnp.arange(THINGS) == x
        thing = jnp.minimum(x, THINGS - 1)
        is_target = x == state.roles[0]
        color, paint = V.cup_color(state), does("pour") & (state.kind[thing] == K.PAINT)
        mixes = paint & (color >= 0)
        blend = self._blend(color, state.adjective[thing])

        # the command
        place = turn.by_verb({"take": V.HELD, "drop": state.agent}, V.INSIDE + y)
        place = jnp.where(paint, jnp.where(mixes, -1, V.INSIDE + V.FIRST_BOX), place)
        handled = does("take", "drop", "put") | paint
        switched = jnp.where(does("on", "off"), jnp.uint8(1) << (x % DEVICES).astype(jnp.uint8), 0)
        right = (V.wanted(state, params) & this).any()
        liquid = (state.temp >= state.melts)[thing]
        new = state.replace(
            agent=jnp.where(does("go"), state.exits[state.agent, x % 4], state.agent),
            loc=jnp.where(handled & this, place, state.loc).astype(jnp.int8),
            adjective=jnp.where(mixes & sight.poured, blend, state.adjective).astype(jnp.int16),
            on=state.on ^ switched.astype(jnp.uint8),
            focused=jnp.where(does("focus"), x, state.focused).astype(jnp.int8),
            measured=state.measured | (does("use") & (state.task == K.MEASURE) & is_target & liquid),
            water=jnp.where(does("pour") & ~paint, V.WATER, state.water),
        )
        # how it ends
        answers = does("put") & (state.task == K.MEASURE) & is_target & (y >= V.FIRST_BOX)
        correct = answers & state.measured & (y == state.answer)
        chosen = does("focus") & right & (state.task != K.FIND) & (state.task != K.MEASURE)
        kept = (V.inside(new) == state.answer) & (jnp.arange(THINGS) == new.focused) & (state.task == K.FIND)
        going = state.outcome == V.LIVE
        lost = going & ((does("focus") & ~right) | (answers & ~correct))
        won = going & ~lost & (correct | chosen | kept.any())
        new = new.replace(outcome=jnp.select([won, lost], [V.SUCCESS, V.FAILURE], state.outcome).astype(jnp.int8))
        new = jax.tree.map(lambda a, b: jnp.where(turn.valid, a, b), self._later(new, params), new)

        verbs = ("go", "take", "drop", "put", "on", "off", "use", "pour", "focus", "wait")
        changed = ((V.phase(new) != V.phase(state))[state.roles[0]], (new.noun != state.noun).any())
        events = pack(jnp.stack([*(does(verb) for verb in verbs), *changed]), jnp.uint16)
        new = new.replace(events=events)
        now = self._subgoals(new, params).at[-1].set(does("use") & is_target)
        reply = self._reply(state, sight, turn, mixes, blend)
        new = self._after(state, new, self._in_order(new, bits(state.latched, SUBGOALS), now), *reply)
        step = self._timestep(state, new, turn.valid, params)
        return new, step.replace(reward=jnp.where(lost, -params.focus_penalty, step.reward).astype(jnp.float32))

    def _later(self, state: LabState, params: LabParams) -> LabState:
        """What a step of time does: warmth, growth, drying."""
        temp = V.drift(state.temp.astype(jnp.int32), V.surroundings(state), V.rate(params))
        target = jnp.arange(THINGS) == state.roles[0]
        planted = (target & (V.inside(state) == V.FIRST_BOX)).any() & (state.task == K.GROW)
        grows = planted & V.is_on(state, V.LAMP) & (state.water > 0)
        grown = jnp.minimum(state.grown + grows, V.full_growth(params))
        stage = 3 * grown // V.full_growth(params)
        noun = jnp.where(target & (state.task == K.GROW), jnp.asarray(K.STAGE_NOUN)[stage], state.noun)
        return state.replace(
            temp=temp.astype(jnp.int16),
            grown=grown.astype(jnp.int8),
            noun=noun.astype(jnp.int16),
            water=jnp.maximum(state.water - 1, 0).astype(jnp.int8),
        )

    def _blend(self, color: Array, other: Array) -> Array:
        """Word of the color that two colors give."""
        row = jnp.asarray(K.MIXTURES)[jnp.clip(color - K.COLOR, 0, 11)]
        return K.COLOR + row[jnp.clip(other - K.COLOR, 0, 11)]

    def _reply(self, state: LabState, sight: Sight, turn: Turn, mixes: Array, blend: Array) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        x, y = turn.x, turn.y
        thing, device = jnp.minimum(x, THINGS - 1), x % DEVICES
        count = sight.held.sum()
        shown, third, fourth = reading(state.temp[thing])
        pot = jnp.where(state.task == K.GROW, T["put_pot"], T["put_red"])
        put = jnp.select([y == V.STOVE, y == V.FREEZER, y == V.FIRST_BOX], [T["put_stove"], T["put_freezer"], pot])
        put = jnp.where(y == V.SECOND_BOX, T["put_blue"], put)
        pour = jnp.where(state.kind[thing] == K.CAN, T["pour_can"], jnp.where(mixes, T["mix"], T["pour_paint"]))
        hold = T["hold_0"] + jnp.minimum(count, 2)
        done = {
            **{verb: T[verb] for verb in ("go", "take", "drop", "focus", "wait", "look")},
            **{"put": put, "on": T["turn_on_stove"] + device, "off": T["turn_off_stove"] + device},
            **{"use": shown, "pour": pour},
        }
        seen, held = sight.visible[thing], sight.held[thing]
        unseen = jnp.where(seen, T["refuse_hold"], T["refuse_sight"])
        switch = [jnp.where(sight.device_here[device], T[f"refuse_{way}"], T["refuse_sight"]) for way in ("on", "off")]
        refusals = {
            "go": T["refuse_go"],
            "take": jnp.select(
                [~seen, held, sight.poured[thing]],
                [T["refuse_sight"], T["refuse_have"], T["refuse_cup"]],
                T["refuse_full"],
            ),
            "drop": unseen,
            "put": jnp.select([~held, ~sight.holder_here[y]], [unseen, T["refuse_sight"]], T["refuse_put"]),
            **{"on": switch[0], "off": switch[1]},
            "use": jnp.select([~seen, ~sight.thermometer], [T["refuse_sight"], T["refuse_tool"]], T["refuse_self"]),
            "pour": jnp.where(held, T["refuse_pour"], unseen),
        }
        template = turn.answer(turn.by_verb(done, hold), turn.by_verb(refusals, T["refuse_sight"]))
        room = word(ROOM, state.room_name[jnp.clip(state.exits[state.agent, x % 4], 0)])
        first = turn.by_verb({"go": WAY + x % 4, "inventory": NUMBER + count}, state.adjective[thing])
        second = jnp.where(turn.asks("go"), room, state.noun[thing])
        return template, first, second, jnp.where(mixes, blend, third), fourth

    def _success(self, state: LabState, params: LabParams) -> Array:
        return state.outcome == V.SUCCESS

    def _failure(self, state: LabState, params: LabParams) -> Array:
        return state.outcome == V.FAILURE

    def oracle_steps(self, state: LabState, params: LabParams) -> Array:
        return oracle_steps(state, params)

    # features

    def _subgoals(self, state: LabState, params: LabParams) -> Array:
        """bool[9]: which subgoals are true now; reading the target's temperature never is, it only happens."""
        sight = self._sight(state)
        things = jnp.arange(THINGS)
        task, target = state.task, things == state.roles[0]
        mix, grow = task == K.MIX, task == K.GROW
        paints = mix & (state.kind == K.PAINT) & (target | (things == state.roles[1]))
        mine = jnp.where(task == K.FIND, V.wanted(state, params), target | paints)
        holder = jnp.select([task == K.FREEZE, grow], [V.FREEZER, V.FIRST_BOX], V.STOVE)
        running = jnp.select(
            [task == K.FREEZE, grow],
            [V.is_on(state, V.FREEZER), V.is_on(state, V.LAMP) & (state.water > 0)],
            V.is_on(state, V.STOVE),
        )
        color = V.cup_color(state)
        good = color == state.value
        poured = good | (jnp.asarray(K.PARTS)[jnp.clip(state.value - K.COLOR, 0, 11)] == color).any()
        placed = jnp.where(mix, poured, (target & (sight.inside == holder)).any())
        made = jnp.select(
            [task == K.FIND, task == K.MEASURE, mix],
            [state.focused >= 0, state.measured, good],
            (V.wanted(state, params) & target).any(),
        )
        work = jnp.select(
            [(task == K.FIND), task == K.FREEZE, grow | mix], [state.answer, V.FREEZER, V.FIRST_BOX], V.STOVE
        )
        required = (
            *((mine & sight.visible).any(), (mine & sight.held).any(), placed, placed & running, made),
            state.outcome == V.SUCCESS,
        )
        optional = (sight.holder_here[work], (sight.held & V.tool(state)).any(), jnp.bool_(False))
        return jnp.stack([*required, *optional]) & self._exists(state)

    def _exists(self, state: LabState) -> Array:
        """bool[9]: subgoals that the task has."""
        return jnp.append(jnp.asarray(STAGES)[state.task], jnp.ones(len(OPTIONAL), bool))

    def _in_order(self, state: LabState, before: Array, now: Array) -> Array:
        """bool[9]: subgoals reached so far; a required one counts when all before it are reached."""
        exists, done, open_ = self._exists(state), [], jnp.bool_(True)
        for i in range(len(REQUIRED)):
            done.append(before[i] | (now[i] & open_))
            open_ &= done[i] | ~exists[i]
        return jnp.concatenate([jnp.stack(done), (before | now)[len(REQUIRED) :]])

    def _progress(self, state: LabState, params: LabParams) -> Array:
        """f32: 85 % for the required subgoals and 15 % for the optional ones, in equal parts; 1 at success."""
        latched = bits(state.latched, SUBGOALS)
        total = jnp.asarray(STAGES)[state.task].sum()
        points = (100 - SHARE) * len(OPTIONAL) * latched[: len(REQUIRED)].sum()
        points += SHARE * total * latched[len(REQUIRED) :].sum()
        share = points / (100 * len(OPTIONAL) * total).astype(jnp.float32)
        return jnp.where(state.outcome == V.SUCCESS, 1.0, share).astype(jnp.float32)

    def _own_features(self, state: LabState, params: LabParams, common: dict[str, Array]) -> dict[str, Array]:
        room = V.room_of(state)[state.roles[0]]
        away = jnp.where(room >= 0, V.distance(state, state.agent, room), 0)
        return {
            "goal_distance": away.astype(jnp.float32) / (ROOMS - 1),
            "state_id": state.agent.astype(jnp.int32) + ROOMS * state.latched.astype(jnp.int32),
            "task_id": state.task.astype(jnp.int32),
        }

    def _caption_offset(self, state: LabState) -> Array:
        _, first, second, *_ = state.log[0].astype(jnp.int32)
        target = state.roles[0]
        about = (first == state.adjective[target]) & (second == state.noun[target])
        named = self._said(state, *W.NAMED, *(f"use_{name}" for name in W.READING))
        return jnp.select(
            [self._said(state, "go"), self._said(state, "refuse_go"), named],
            [
                *((first - WAY) * len(ROOM_WORDS) + second - ROOM, first - WAY),
                2 * jnp.asarray(K.NOUN_NUMBER)[second] + about,
            ],
            0,
        )
