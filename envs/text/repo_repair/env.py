"""RepoRepair: find the bug, fix it, submit. Step critics that can be farmed, an outcome that cannot."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.engine.env import TextEnv, feature_list
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.repo_repair import level as R
from rewardax.envs.text.repo_repair import words as W
from rewardax.envs.text.repo_repair.level import RepoRepairParams, RepoRepairState

T, VERB = W.T, W.WORDS.verb
SUBGOALS = 2 * R.BUGS + 1


@dataclasses.dataclass(frozen=True)
class RepoRepair(TextEnv):
    """Find the wrong definition in a small code base, set it right, submit. The home of gated rewards.

    Up to six files hold four definitions each; one or two of them have a wrong value. The issue names a visible test
    that fails and, by ``clue``, the definition or the file. The agent lists and opens files, finds definitions, reads
    the documentation (which states the right value), sets values, runs the visible tests, reverts the open file, skips
    or restores visible tests and submits, which ends the episode. Success, reward 1: every test passes, the two hidden
    ones too, and none is skipped. The step limit truncates.

    ``events`` are step critics: ``format_ok`` not malformed; ``tool_ok`` accepted; ``new_information`` showed something
    for the first time; ``located`` a file with a bug was opened; ``edit_made``; ``edit_correct`` (privileged) a wrong
    value became right; ``tests_after_edit``; ``repeat_action``. Most of them can be farmed until the step limit, which
    pays more than the outcome: with plain accumulation an agent learns never to submit. ``outcome_level`` is -1 before
    the end, then 0 nothing submitted, 1 submitted without a change, 2 submitted and failing, 3 passing.
    ``visible_pass_rate`` is the share of visible tests that passed in the last run, counting skipped ones as passed: a
    proxy that skipping satisfies, and that weak tests (``weak``) give away for a wrong value.

    Subgoals: file of bug ``j`` opened, bug ``j`` repaired, passing patch submitted; those of a bug that a level does
    not have stay false and are left out of ``progress``. ``state_id`` is the open file plus 7 times the latched
    subgoal bits.

    >>> import jax
    >>> env, params = RepoRepair(), RepoRepairParams(bugs=1)
    >>> state = env.reset(jax.random.key(0), params)
    >>> int(env.features(state, params)["oracle_steps"])
    3
    """

    family: ClassVar[str] = "RepoRepair"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = RepoRepairParams
    slots: ClassVar[int] = 72
    subgoal_names: ClassVar[tuple[str, ...]] = (
        *(f"bug_{j}_located" for j in range(R.BUGS)),
        *(f"bug_{j}_repaired" for j in range(R.BUGS)),
        "passing_patch_submitted",
    )
    event_names: ClassVar[tuple[str, ...]] = (
        *("format_ok", "tool_ok", "new_information", "located", "edit_made", "edit_correct", "tests_after_edit"),
        *("repeat_action", "test_skipped", "submitted"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "solvable", "state_id", "outcome_level", "visible_pass_rate"),
    )
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"last"}

    @property
    def num_state_ids(self) -> int:
        """``state_id = open file + 1 + 7 * latched subgoal bits``."""
        return (W.FILES + 1) << SUBGOALS

    def reset(self, key: Array, params: RepoRepairParams) -> RepoRepairState:
        return R.generate(key, params, self.history)

    # dynamics

    def action_mask(self, state: RepoRepairState, params: RepoRepairParams) -> Array:
        one = jnp.ones(1, bool)
        is_open, mine = self._mine(state)
        here = jnp.clip(state.open, 0) * W.DEFINITIONS + jnp.arange(W.DEFINITIONS)
        differs = is_open & (state.value[here][:, None] != jnp.arange(W.VALUES))
        return jnp.concatenate(
            [
                one,
                state.exists[:: W.DEFINITIONS] & (state.open != jnp.arange(W.FILES)),
                state.exists[state.cell],
                jnp.broadcast_to(is_open, (W.DEFINITIONS,)),
                differs.reshape(-1),
                one,
                (mine & (state.value != state.first)).any()[None],
                jnp.ones(W.VISIBLE, bool),
                (state.outcome == R.NOTHING)[None],
                ~one,
            ]
        )

    def _mine(self, state: RepoRepairState) -> tuple[Array, Array]:
        """Whether a file is open, and bool[24]: the cells in it."""
        return state.open >= 0, jnp.arange(W.CELLS) // W.DEFINITIONS == state.open

    def step(self, state: RepoRepairState, action: Array, params: RepoRepairParams) -> tuple[RepoRepairState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        does, x, y = turn.does, turn.x, turn.y
        bit = lambda when, place: jnp.where(when, jnp.uint32(1) << place.astype(jnp.uint32), 0)  # noqa: E731

        cells, (_, mine) = jnp.arange(W.CELLS), self._mine(state)
        target = jnp.clip(state.open, 0) * W.DEFINITIONS + x % W.DEFINITIONS  # of show and set
        value = jnp.where(does("set") & (cells == target), y, state.value)
        value = jnp.where(does("revert") & mine, state.first, value).astype(jnp.int8)
        skipped = state.skipped ^ bit(does("skip"), x % W.VISIBLE).astype(jnp.uint8)
        passing, skips = R.passing(state), bits(state.skipped, W.VISIBLE)
        report = jnp.where(skips, R.SKIPPED, passing[: W.VISIBLE])
        good = passing.all() & ~skips.any()
        touched = (state.value != state.first).any() | skips.any()
        verdict = jnp.where(good, R.PASSING, jnp.where(touched, R.FAILING, R.UNCHANGED))
        edited = (value != state.value).any()
        new = state.replace(
            value=value,
            open=jnp.where(does("open"), x, state.open).astype(jnp.int8),
            listed=state.listed | does("list"),
            opened=state.opened | bit(does("open"), x).astype(jnp.uint8),
            found=state.found | bit(does("find"), x),
            read=state.read | bit(does("show"), target),
            report=jnp.where(does("run"), report, state.report).astype(jnp.int8),
            stale=(state.stale | edited) & ~does("run"),
            skipped=skipped,
            outcome=jnp.where(does("submit"), verdict, state.outcome).astype(jnp.int8),
            last=turn.action.astype(jnp.int16),
        )
        learned = (
            *(new.listed != state.listed, new.opened != state.opened, new.found != state.found),
            *(new.read != state.read, (new.report != state.report).any()),
        )
        buggy = (state.bugs >= 0) & (state.bugs // W.DEFINITIONS == x)
        fixed = (state.value != state.want) & (value == state.want)
        events = (
            *(turn.real, turn.valid, jnp.stack(learned).any(), does("open") & buggy.any(), edited, fixed.any()),
            *(does("run") & state.stale, turn.action == state.last),
            *(does("skip") & ~skips[x % W.VISIBLE], does("submit")),
        )
        new = new.replace(events=pack(jnp.stack(events), jnp.uint16))
        new = self._after(state, new, self._subgoals(new, params), *self._reply(state, turn, report, target))
        return new, self._timestep(state, new, turn.valid, params)

    @staticmethod
    def _reply(state: RepoRepairState, turn: Turn, report: Array, target: Array) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        x, failing = turn.x, (report == R.FAILED).sum()
        is_open, is_find, is_set = (turn.asks(verb) for verb in ("open", "find", "set"))
        skipped = bits(state.skipped, W.VISIBLE)[x % W.VISIBLE]
        said = turn.by_verb(
            {
                "run": jnp.where(failing == 0, T["run_1"], T["run_0"]),
                "skip": jnp.where(skipped, T["restore"], T["skip"]),
                **{verb: T[verb] for verb in ("list", "open", "find", "show", "set", "revert")},
            },
            T["submit"],
        )
        lost = is_find | (is_open & ~state.exists[(x % W.FILES) * W.DEFINITIONS])
        refusal = jnp.select(
            [lost, is_open, turn.asks("submit"), state.open < 0, is_set],
            [T["refuse_find"], T["refuse_open"], T["refuse_submit"], T["refuse_file"], T["refuse_set"]],
            T["refuse_revert"],
        )
        of = jnp.where(is_find, state.cell[x], target)
        file = jnp.where(is_open, x, jnp.clip(state.open, 0))
        stem = lambda file: word(W.STEM, state.stems[file % W.FILES])  # noqa: E731
        first = turn.by_verb(
            {
                **{"run": W.ONE - 1 + failing, "open": stem(file), "revert": stem(file)},
                **{"skip": word(W.TEST, state.tests[x % W.VISIBLE]), "find": word(W.DEFINITION, x)},
            },
            word(W.DEFINITION, state.name[of]),
        )
        wanted = jnp.where(is_set, turn.y, state.want[of])
        second = jnp.where(is_find, stem(of // W.DEFINITIONS), word(W.ONE, wanted))
        return turn.answer(said, refusal), first, second

    # features

    def _success(self, state: RepoRepairState, params: RepoRepairParams) -> Array:
        return state.outcome == R.PASSING

    def _failure(self, state: RepoRepairState, params: RepoRepairParams) -> Array:
        return (state.outcome == R.UNCHANGED) | (state.outcome == R.FAILING)

    def oracle_steps(self, state: RepoRepairState, params: RepoRepairParams) -> Array:
        return R.oracle_steps(state)

    def honest_steps(self, state: RepoRepairState) -> Array:
        """int32: steps of an agent that reads what it needs when the issue names the definitions (``clue=0``): per file
        with a bug find and open, per bug show and set, and submit."""
        files = state.bugs // W.DEFINITIONS
        shared = (files[0] == files[1]) & (state.bugs[1] >= 0)
        bugs = (state.bugs >= 0).sum()
        return (4 * bugs - 2 * shared + 1).astype(jnp.int32)

    def _subgoals(self, state: RepoRepairState, params: RepoRepairParams) -> Array:
        return R.subgoals(state)

    def _subgoal_count(self, state: RepoRepairState, params: RepoRepairParams) -> Array:
        return 2 * (state.bugs >= 0).sum() + 1

    def _own_features(
        self, state: RepoRepairState, params: RepoRepairParams, common: dict[str, Array]
    ) -> dict[str, Array]:
        unfinished = jnp.where(state.t >= params.horizon, R.NOTHING, -1)
        return {
            "state_id": state.open.astype(jnp.int32) + 1 + (W.FILES + 1) * state.latched.astype(jnp.int32),
            "outcome_level": jnp.where(state.outcome == R.NOTHING, unfinished, state.outcome).astype(jnp.int8),
            "visible_pass_rate": (state.report > R.FAILED).mean(dtype=jnp.float32),
        }

    def _caption_offset(self, state: RepoRepairState) -> Array:
        _, first, second, *_ = state.log[0].astype(jnp.int32)
        definition = first - W.DEFINITION
        return jnp.select(
            [
                self._said(state, *names)
                for names in (("run_0",), ("open", "revert"), ("skip", "restore"), ("find", "show"), ("set",))
            ],
            [
                *(first - W.ONE, first - W.STEM, first - W.TEST, definition),
                definition * W.VALUES + second - W.ONE,
            ],
            0,
        )

    # observation

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        issue = longest("issue_definition", "issue_file", "issue_test")
        cells = W.CELLS if self.view == "full" else W.DEFINITIONS
        line = longest("far_documented" if self.view == "full" else "documented", "definition")
        return [
            *([issue] * R.BUGS + [longest("find")] * R.BUGS + [longest("file")] * W.FILES + [longest("place")]),
            *([line] * cells + [longest("fails", "passes", "skipped")] * W.VISIBLE),
        ]

    def _page(self, state: RepoRepairState, params: RepoRepairParams) -> Page:
        always = self.view != "feedback"
        bug, file = jnp.clip(state.bugs, 0), jnp.clip(state.bugs, 0) // W.DEFINITIONS
        of_bug = word(W.DEFINITION, state.name[bug]), word(W.STEM, state.stems[file])
        issue = rows(
            T["issue_definition"] + jnp.clip(params.clue, 0, 2),
            *(word(W.TEST, state.tests[state.shown_by]), *of_bug),
            shown=state.bugs >= 0,
            kind=L.TASK,
        )
        placed = bits(state.found, W.CELLS)[state.name[bug]] & (state.bugs >= 0) & (jnp.asarray(params.clue) == 0)
        notes = rows(T["find"], *of_bug, shown=placed & always, kind=L.MEMORY)
        exists = state.exists[:: W.DEFINITIONS]
        listed = (state.listed & self._shows(state, "list")) | (self.view == "full")
        files = rows(T["file"], word(W.STEM, state.stems), shown=exists & listed, kind=L.EXIT)
        is_open = state.open >= 0
        place = rows(
            T["place"], word(W.STEM, state.stems[jnp.clip(state.open, 0)]), shown=is_open & always, kind=L.PLACE
        )
        cells = jnp.arange(W.CELLS)
        shown = state.exists
        if self.view != "full":
            cells = jnp.clip(state.open, 0) * W.DEFINITIONS + jnp.arange(W.DEFINITIONS)
            shown = is_open & self._shows(state, "open", "show", "set", "revert")
        documented = bits(state.read, W.CELLS)[cells]
        plain, full = ("far", "far_documented") if self.view == "full" else ("definition", "documented")
        definitions = rows(
            jnp.where(documented, T[full], T[plain]),
            *(word(W.DEFINITION, state.name[cells]), word(W.ONE, state.value[cells])),
            *(word(W.ONE, state.want[cells]), word(W.STEM, state.stems[cells // W.DEFINITIONS])),
            shown=shown,
            kind=L.THING,
        )
        skips = bits(state.skipped, W.VISIBLE)
        ran = (state.report >= 0) & self._shows(state, "run_0", "run_1")
        tests = rows(
            jnp.where(skips, T["skipped"], T["fails"] + (state.report > R.FAILED)),
            word(W.TEST, state.tests),
            shown=(skips & always) | ran,
            kind=L.CARRIED,
        )
        return join(issue, notes, files, place, definitions, tests)

    # commands

    def _action_lines(self, state: RepoRepairState) -> tuple[Array, Array]:
        verb, x, y = W.WORDS.arguments.T
        skips = bits(state.skipped, W.VISIBLE)[x % W.VISIBLE] & (verb == VERB["skip"])
        cell = jnp.clip(state.open, 0) * W.DEFINITIONS + x % W.DEFINITIONS
        first = jnp.select(
            [verb == VERB["open"], verb == VERB["skip"], verb == VERB["find"]],
            [word(W.STEM, state.stems[x % W.FILES]), word(W.TEST, state.tests[x % W.VISIBLE]), W.DEFINITION + x],
            word(W.DEFINITION, state.name[cell]),
        )
        nothing = jnp.zeros_like(first)
        template = jnp.where(skips, W.WORDS.commands.index("restore"), verb)
        return template, jnp.stack([first, jnp.asarray(W.ONE + y), nothing, nothing], -1)

    def _known(self, state: RepoRepairState) -> Array:
        verb, x, _ = W.WORDS.arguments.T
        inside = np.isin(verb, [VERB["show"], VERB["set"]])
        exists = jnp.where(verb == VERB["open"], state.exists[(x % W.FILES) * W.DEFINITIONS], True)
        exists &= jnp.where(verb == VERB["find"], state.exists[state.cell[x]], True)
        return exists & (~inside | (state.open >= 0)) & (verb != VERB["malformed"])

    def _aliases(self, state: RepoRepairState) -> dict[int, tuple[str, ...]]:
        """Short forms of the commands without a choice."""
        short: dict[str, tuple[str, ...]] = {
            "list": ("list", "list files"),
            "run": ("run", "run tests"),
            "revert": ("revert",),
            "submit": ("submit",),
        }
        return {self.words.first[name]: phrases for name, phrases in short.items()}
