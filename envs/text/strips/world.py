"""The task that a game in PDDL becomes: one compiled step for all games of the same sizes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.errors import UserError, UserTypeError
from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import Vocabulary
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.view import HEADING
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.strips.commands import LOOK
from rewardax.envs.text.strips.domain import Source
from rewardax.envs.text.strips.game import Game, Sizes
from rewardax.envs.text.strips.heuristics import additive
from rewardax.envs.text.strips.pages import LOOKED, NO_COMMAND, SILENCE
from rewardax.envs.text.strips.tables import ADDS, DELETES, NO, YES, Tables, distance, tables_of

ACCEPTED, INADMISSIBLE, NO_SUCH_ACTION = range(3)


class StripsParams(struct.PyTreeNode):
    """A game and its difficulty, all traced.

    ``tables``: the game; those of another game with equal sizes run in the same compiled program. ``first`` and
    ``count``: the problems that levels are drawn from. ``wording``: 0 to 2. ``horizon``: step limit. ``time_bonus``:
    the reward is ``1 - time_bonus * t / horizon`` and a clock line appears. ``invalid_penalty``: price of a refused
    command, at least 0.
    """

    tables: Tables
    first: Any = 0
    count: Any = 1
    wording: Any = 0
    horizon: Any = 50
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class StripsState(struct.PyTreeNode):
    facts: Array  # u32[W] bits
    before: Array  # u32[W] facts before the last step
    level: Array  # i16 problem
    reason: Array  # u8 of the last action: 0 accepted, 1 not admissible, 2 no such action
    latched: Array  # u32 bits of goal facts reached in this episode
    fresh: Array  # u32 bits of those first reached in this step
    log: Array  # i16[1 + history, 5] replies, newest first
    t: Array  # i16


@dataclasses.dataclass(frozen=True)
class StripsWorld(TextEnv):
    """A world of your own: facts, actions and goals from PDDL, sentences from a grammar. Made by ``strips.load``.

    A level is a problem of the game, drawn uniformly from problems ``first`` to ``first + count - 1``. Success, reward
    1: all facts of the goal hold. An action is a command; operators that are said in the same words are one action,
    done in the way that is possible. A command that is not possible is answered with the first condition that fails,
    in the order of the PDDL (of several ways, the one that gets furthest). The last action, ``look``, changes nothing.

    Observation: one task line per goal fact, then one line per group of facts that exclude each other, in the order
    place, exit, thing, carried. ``view="room"`` shows the facts that the grammar lets be seen, ``"feedback"`` all of
    them only at the start and after ``look``, otherwise those that have just become true, ``"full"`` every fact that
    is shown at all.

    Subgoals: the facts of the goal, in the order of the task lines. ``events``: ``changed`` a fact became true or
    false, ``goal_lost`` a goal fact stopped to hold. ``oracle_steps`` is exact in every state of levels with at most
    20,000 reachable states and -2 elsewhere; ``oracle_start`` is exact in all levels that a search could solve.
    ``h_add`` is the additive heuristic, see :func:`rewardax.envs.text.strips.heuristics.relaxed_plan`. ``solvable`` is
    exact where ``oracle_steps`` is; elsewhere it is false only if the goal is out of reach even if nothing is undone.

    Params of another game of equal sizes run in the same compiled program, but only that game's own world can spell its
    words.
    """

    game: Game = None  # type: ignore[assignment]

    family: ClassVar[str] = "StripsWorld"
    event_names: ClassVar[tuple[str, ...]] = ("changed", "goal_lost")
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"before", "reason"}
    params_class: ClassVar[type] = StripsParams
    feature_names: ClassVar[tuple[str, ...]] = (
        *feature_list("oracle_steps", "oracle_start")[:8],
        *("h_add", "h_add_start", "solvable"),
        *feature_list()[6:],
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.game, Game):
            raise UserTypeError("a StripsWorld needs a game; make one with rewardax.envs.text.strips.load")

    # what the game says

    @property
    def vocabulary(self) -> Vocabulary:  # type: ignore[override]
        return self.game.vocabulary

    @property
    def templates(self) -> L.Templates:  # type: ignore[override]
        return self.game.templates

    @property
    def action_templates(self) -> L.Templates:  # type: ignore[override]
        return self.game.action_templates

    @property
    def verbs(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.game.commands.verbs

    @property
    def slots(self) -> int:  # type: ignore[override]
        return self.game.sizes.choices

    @property
    def subgoal_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"goal_{i}" for i in range(1, self.game.sizes.goals + 1))

    @property
    def action_names(self) -> tuple[str, ...]:
        said = self.game.commands.said
        return (*said, *(f"unused {i}" for i in range(len(said), self.num_actions - 1)), LOOK)

    @property
    def num_actions(self) -> int:
        return self.game.sizes.actions

    @property
    def captions(self) -> tuple[str, ...]:
        """All sentences of the game in the first wording."""
        return tuple(sentence[0] for sentence in self.game.phrases.sentences)

    def default_params(self) -> StripsParams:
        longest = max(int(self.game.optimal.max()), 15)
        return StripsParams(
            tables=tables_of(self.game, self.view == "full"), count=len(self.game.task.levels), horizon=3 * longest + 5
        )

    # dynamics

    def reset(self, key: Array, params: StripsParams) -> StripsState:
        drawn = params.first + jax.random.randint(key, (), 0, jnp.maximum(params.count, 1))
        level = jnp.clip(drawn, 0, self.game.sizes.levels - 1).astype(jnp.int16)
        facts = jnp.asarray(params.tables.start)[level]
        state = StripsState(
            facts=facts,
            before=facts,
            level=level,
            reason=jnp.uint8(ACCEPTED),
            **first_record(self.history, jnp.uint32),
        )
        return state.replace(latched=pack(self._subgoals(state, params), jnp.uint32))

    def step(self, state: StripsState, action: Array, params: StripsParams) -> tuple[StripsState, TimeStep]:
        action, tables = jnp.asarray(action, jnp.int32), jax.tree.map(jnp.asarray, params.tables)
        last = self.num_actions - 1
        known = (action >= 0) & (action <= last)
        at = jnp.clip(action, 0, last)
        rule = tables.rules[at]
        possible = _possible(rule, state.facts)
        way, done = jnp.argmax(possible), possible.any() & known
        looked = known & (action == last)
        changed = (state.facts & ~rule[way, DELETES]) | rule[way, ADDS]
        refusal = self._why_not(state.facts, at, tables)
        reply = jnp.where(looked, LOOKED, jnp.where(done, tables.replies[at, way], refusal))
        valid = done | looked
        reason = jnp.where(valid, ACCEPTED, jnp.where(known, INADMISSIBLE, NO_SUCH_ACTION))
        new = state.replace(
            facts=jnp.where(done, changed, state.facts),
            before=state.facts,
            reason=reason.astype(jnp.uint8),
        )
        new = self._after(state, new, self._subgoals(new, params), jnp.where(known, reply, NO_COMMAND))
        return new, self._timestep(state, new, valid, params)

    def _why_not(self, facts: Array, action: Array, tables: Tables) -> Array:
        """Sentence that answers a command that is not possible."""
        needs = tables.needs[action].astype(jnp.int32)
        fact = jnp.maximum(jnp.abs(needs) - 1, 0)
        true = bits(facts, 32).reshape(-1)[fact]
        fails = (needs != 0) & (true != (needs > 0))
        unused = (tables.rules[action, :, YES] & tables.rules[action, :, NO] != 0).any(-1)
        place = jnp.where(unused, -1, jnp.argmax(fails, axis=1))
        way = jnp.argmax(place)
        named = tables.says[fact[way, place[way]], (needs[way, place[way]] > 0).astype(jnp.int32)]
        own = tables.refusals[action, way]
        answer = jnp.where(own != SILENCE, own, named)
        return jnp.where(unused.all(), NO_COMMAND, answer)

    def action_mask(self, state: StripsState, params: StripsParams) -> Array:
        possible = _possible(jnp.asarray(params.tables.rules), state.facts).any(1)
        return possible.at[-1].set(True)

    def _success(self, state: StripsState, params: StripsParams) -> Array:
        goal = jnp.asarray(params.tables.goal)[state.level]
        return ((state.facts & goal[YES]) == goal[YES]).all() & ((state.facts & goal[NO]) == 0).all()

    # features

    def _subgoals(self, state: StripsState, params: StripsParams) -> Array:
        goals = jnp.asarray(params.tables.goals)[state.level].astype(jnp.int32)
        true = bits(state.facts, 32).reshape(-1)[jnp.maximum(jnp.abs(goals) - 1, 0)]
        return (goals != 0) & (true == (goals > 0))

    def _subgoal_count(self, state: StripsState, params: StripsParams) -> Array:
        goals = (jnp.asarray(params.tables.goals)[state.level] != 0).sum()
        return jnp.maximum(goals, 1)

    def _events(self, state: StripsState, params: StripsParams) -> Array:
        lost = self._subgoals(state.replace(facts=state.before), params) & ~self._subgoals(state, params)
        return jnp.stack([(state.facts != state.before).any(), lost.any()])

    def _invalid_reason(self, state: StripsState) -> Array:
        return state.reason

    def _oracle_start(self, state: StripsState, params: StripsParams) -> Array:
        return jnp.asarray(params.tables.optimal)[state.level]

    def _caption(self, state: StripsState) -> Array:
        return state.log[0, 0].astype(jnp.int32)

    def _own_features(self, state: StripsState, params: StripsParams, common: dict[str, Array]) -> dict[str, Array]:
        tables = jax.tree.map(jnp.asarray, params.tables)
        relaxed, left = additive(tables.costs, bits(state.facts, 32).reshape(-1), state.level), common["oracle_steps"]
        return {
            "h_add": relaxed,
            "h_add_start": tables.relaxed[state.level],
            "solvable": jnp.where(left == -2, relaxed, left) >= 0,
        }

    def oracle_steps(self, state: StripsState, params: StripsParams) -> Array:
        """int32: fewest steps to success; -1 if there is no way, -2 in levels with too many states for a table."""
        tables = jax.tree.map(jnp.asarray, params.tables)
        left = distance(tables, bits(state.facts, 32).reshape(-1), state.level)
        return jnp.where(self._success(state, params), 0, left)

    def plan(self, state: StripsState, params: StripsParams | None = None) -> list[int]:
        """Actions of a shortest plan from a state to success, by breadth-first search on the host; ``[]`` at success.

        Works for every level, also where ``oracle_steps`` is -2; ``params`` are not needed.

        Raises:
            UserError: if there is no plan, or if more than half a million states would have to be looked at.
        """
        facts = np.asarray(bits(jnp.asarray(state.facts), 32)).reshape(-1)
        found = self.game.plan(facts, int(state.level))
        if found is None:
            raise UserError("the goal cannot be reached from this state")
        return found

    # observation

    @property
    def line_width(self) -> int:
        return self.game.sizes.line_words + (HEADING if self.history else 0)

    @property
    def num_lines(self) -> int:
        sizes = self.game.sizes
        return sizes.goals + (sizes.whole_lines if self.view == "full" else sizes.lines) + self.history + 2

    @property
    def max_tokens(self) -> int:
        sizes = self.game.sizes
        facts = sizes.whole_tokens if self.view == "full" else sizes.tokens
        return facts + (2 + self.history) * sizes.line_words + self.history * HEADING

    def _fill(self, template: Array, words: Array, params: StripsParams) -> tuple[Array, Array]:
        wording = jnp.clip(jnp.asarray(params.wording), 0, L.WORDINGS - 1)
        lines = jnp.asarray(params.tables.text)[wording][template].astype(jnp.int32)
        number = words[..., 0, None].astype(jnp.int32)
        return jnp.where(lines < 0, number, lines), jnp.asarray(params.tables.length)[wording][template]

    def _page(self, state: StripsState, params: StripsParams) -> Page:
        tables = jax.tree.map(jnp.asarray, params.tables)
        goals = tables.goal_lines[state.level].astype(jnp.int32)
        facts = bits(state.facts, 32).reshape(-1)
        opens = facts[tables.gate]
        seen = tables.seen
        for gate in range(self.game.sizes.gates):
            seen |= jnp.where(opens[gate], tables.gated[gate], 0)
        shown_facts = state.facts & seen
        if self.view == "feedback":
            said = state.log[0, 0]
            shown_facts &= jnp.where((said == SILENCE) | (said == LOOKED), ~jnp.uint32(0), ~state.before)
        word = tables.slots & shown_facts
        lowest = jax.lax.population_count((word & -word) - 1).astype(jnp.int32)
        place = 32 * np.arange(word.shape[1]) + lowest
        fact = jnp.where(word != 0, place, self.game.sizes.facts).min(1)
        shown = fact < self.game.sizes.facts
        line = tables.says[jnp.where(shown, fact, 0)].astype(jnp.int32)
        return join(
            rows(goals, shown=goals != SILENCE, kind=L.TASK),
            rows(line[:, 0], shown=shown, kind=line[:, 2]),
        )

    # commands

    def slot_lines(self, state: StripsState, params: StripsParams) -> tuple[Array, Array]:
        slots = L.admissible_slots(self.action_mask(state, params), self.slots)
        lines = jnp.asarray(params.tables.commands)[jnp.maximum(slots, 0)].astype(jnp.int32)
        return slots, jnp.where((slots >= 0)[:, None], lines, 0)

    def _action_lines(self, state: StripsState) -> tuple[Array, Array]:
        return jnp.arange(self.num_actions), jnp.zeros((self.num_actions, L.WORDS_PER_LINE), jnp.int32)

    def _known(self, state: StripsState) -> Array:
        """Commands of the game, all but the spare ones."""
        return jnp.arange(self.num_actions) % (self.num_actions - 1) < len(self.game.commands.said)

    def _aliases(self, state: StripsState) -> dict[int, tuple[str, ...]]:
        return {self.num_actions - 1: ("look around",)}

    def _refusal(self, action: int, state: StripsState, params: StripsParams) -> str:
        after, _ = self._host("step")(state, jnp.int32(action), params)
        return self.text_of(self.templates.ids[0, int(after.log[0, 0])])


def load(
    domain: Source,
    problems: Source | Iterable[Source],
    grammar: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    sizes: Sizes | None = None,
    **static: Any,
) -> StripsWorld:
    """A game of your own as a task, from PDDL.

    Args:
        domain: file with the rules, or its text: typed STRIPS with negative preconditions, equality and constants.
        problems: files with the levels, or their texts; one may hold several. Each problem is a level.
        grammar: sentences, see :class:`rewardax.envs.text.strips.grammar.Grammar`; by default the names in the domain
            are made into simple sentences.
        sizes: array sizes, at least those that the game needs. Games with equal ``sizes`` share compiled programs:
            their params are interchangeable.
        static: fields of :class:`StripsWorld`, such as ``view`` or ``history``.

    Needs the extra ``pddl``.

    Raises:
        MissingPackage: without it.
        UserError: naming the line or the action, for what is not supported, for levels without a solution and for
            sentences that cannot be distinguished.

    >>> world = load(
    ...     '''(define (domain lamp) (:predicates (lit))
    ...          (:action press :parameters () :precondition (not (lit)) :effect (lit)))''',
    ...     "(define (problem first) (:domain lamp) (:init) (:goal (lit)))",
    ...     {"facts": {"lit": "the lamp glows."}, "actions": {"press": "press the button"}},
    ... )
    >>> world.action_names
    ('press the button', 'look')
    >>> from rewardax.envs import GymEnv
    >>> GymEnv(world, obs_mode="text").reset(seed=0)[0]
    'your goal is that the lamp glows.'
    """
    return StripsWorld(game=Game(domain, problems, grammar, sizes), **static)


def _possible(rules: Array, facts: Array) -> Array:
    """bool[...]: operators u32[..., 4, W] whose conditions hold."""
    misses = (rules[..., YES, :] & ~facts) | (rules[..., NO, :] & facts)
    return (misses == 0).all(-1)
