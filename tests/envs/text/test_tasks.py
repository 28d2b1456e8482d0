"""The contract of Coin and Treasure: levels, masks, sentences, features, rewards."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.play import rows
from support.tiers import by_default

from rewardax.envs.language import templates as lines
from rewardax.envs.language.vocab import CUT, UNK, VOCAB_HASH, detokenize, tokenize
from rewardax.envs.oracle import oracle_action
from rewardax.envs.registry import make
from rewardax.envs.text.presets import PRESETS

FAMILIES = ("Coin", "Treasure")
HARD = by_default(["Coin-hard"], ["Treasure-hard"])


def function(env: Any, method: str) -> Any:
    return functools.partial(oracle_action, env) if method == "oracle_action" else getattr(env, method)


@functools.cache
def batched(env: Any, method: str) -> Any:
    """A method over a batch of states (and actions)."""
    axes = {"step": (0, 0, None), "reset": (0, None), "action_lines": (0,)}.get(method, (0, None))
    return jax.jit(jax.vmap(function(env, method), axes))


@functools.cache
def one(env: Any, method: str) -> Any:
    """A method for a single state."""
    return jax.jit(function(env, method))


def keys(count: int, seed: int = 0) -> jax.Array:
    return jax.random.split(jax.random.key(seed), count)


@functools.cache
def played(name: str, levels: int = 50, steps: int = 40, view: str = "room", **env_kwargs: float) -> Any:
    """States of random admissible play, [levels * steps]."""
    env, params = make(name, view=view, **env_kwargs)
    state = batched(env, "reset")(keys(levels), params)
    rng, seen = np.random.default_rng(0), []
    for _ in range(steps):
        seen.append(state)
        mask = np.asarray(batched(env, "action_mask")(state, params))
        assert mask.any(1).all()
        action = np.where(mask, rng.random(mask.shape), -1).argmax(1)
        state, _ = batched(env, "step")(state, action, params)
    return env, params, jax.tree.map(lambda *xs: jnp.concatenate(xs), *seen)


@pytest.mark.parametrize("name", HARD)
def test_declared_names_and_space(name: str) -> None:
    env, params, states = played(name)
    features = batched(env, "features")(states, params)
    assert set(features) == set(env.feature_names)
    assert features["subgoals"].shape[1] == len(env.subgoal_names)
    assert features["events"].shape[1] == len(env.event_names)
    assert len(env.action_names) == env.num_actions == len(set(env.action_names))
    space = env.observation_space(params)
    seen = jax.tree.map(np.asarray, one(env, "observe")(rows(states, 7), params))
    assert space.contains(seen), seen
    assert env.token_space(params).contains(np.asarray(one(env, "observe_tokens")(rows(states, 7), params)))
    assert hash(env) == hash(dataclasses.replace(env))


@pytest.mark.parametrize("name", HARD)
def test_same_level_same_numbers(name: str) -> None:
    """Alone or among 256: the same state, observation and features."""
    env, params = make(name)
    many = batched(env, "reset")(keys(256), params)
    alone = one(env, "reset")(keys(256)[17], params)
    jax.tree.map(np.testing.assert_array_equal, rows(many, 17), alone)
    for _ in range(6):
        action = batched(env, "oracle_action")(many, params)
        many, stepped = batched(env, "step")(many, action, params)
        alone, timestep = one(env, "step")(alone, action[17], params)
        jax.tree.map(np.testing.assert_array_equal, rows(many, 17), alone)
        jax.tree.map(np.testing.assert_array_equal, rows(stepped, 17), timestep)
    for method in ("observe", "features"):
        both = rows(batched(env, method)(many, params), 17), one(env, method)(alone, params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), *both)


def test_compiled_or_not() -> None:
    """Step and observation are the same with the compiler off."""
    env, params = make("Coin-easy")
    state = one(env, "reset")(keys(1)[0], params)
    for action in (0, 2, 5):
        with jax.disable_jit():
            plain = env.step(state, action, params)
            seen = env.observe(plain[0], params)
        state, timestep = one(env, "step")(state, action, params)
        jax.tree.map(np.testing.assert_array_equal, plain, (state, timestep))
        jax.tree.map(np.testing.assert_array_equal, seen, one(env, "observe")(state, params))


@pytest.mark.parametrize("name", ["Coin-medium", "Treasure-easy", "Treasure-hard"])
def test_levels_differ(name: str) -> None:
    env, params = make(name)
    hash_of = jax.jit(
        jax.vmap(lambda key, params: env.features(env.reset(key, params), params)["state_hash"], (0, None))
    )
    hashes = np.asarray(hash_of(keys(2000), params))
    assert len(np.unique(hashes, axis=0)) == 2000
    assert (np.asarray(hash_of(keys(2000)[::-1], params)) == hashes[::-1]).all()


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("view", ["room", "feedback", "full"])
@pytest.mark.parametrize("wording", [0, 2])
def test_text_is_the_tokens(name: str, view: str, wording: int) -> None:
    """No truncation, no unknown word, lines and flat form agree, and the string tokenizes back."""
    env, params, states = played(name, view=view)
    params = params.replace(wording=wording, time_bonus=0.5)
    seen = jax.tree.map(np.asarray, batched(env, "observe")(states, params))
    tokens = np.asarray(batched(env, "observe_tokens")(states, params))
    assert tokens.shape[1] == env.max_tokens and not np.isin(tokens, [CUT, UNK]).any()
    assert ((seen["lines"] > 0).sum(2) == seen["line_len"]).all()
    assert ((seen["line_len"] > 0) == (seen["line_type"] > 0)).all()
    assert seen["line_len"].max() <= env.line_width and (seen["line_len"][:, 0] > 0).all()
    for i in range(0, len(tokens), 61):
        ids = [int(x) for x in tokens[i] if x]
        assert tokenize(env.text_of(tokens[i])) == ids
        assert " ".join(detokenize(line) for line in seen["lines"][i] if line.any()) == env.text_of(tokens[i])
    assert env.text(rows(states, 0), params) == env.text_of(tokens[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_wordings_have_equal_slots_and_say_something_else(family: str) -> None:
    env, _ = make(f"{family}-easy")
    table = env.templates
    assert (table.length > 0).all() and (table.ids[0] != table.ids[1]).any()
    for row in range(len(table.names)):
        slots = [set(table.ids[w, row][table.ids[w, row] < 0].tolist()) for w in range(lines.WORDINGS)]
        assert slots[0] == slots[1] == slots[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Coin-tiny", "Coin-hard", "Treasure-tiny", "Treasure-hard"])
def test_the_mask_is_the_truth(name: str) -> None:
    """An admissible action is valid, any other one is refused and changes nothing but the clock."""
    env, params, states = played(name)
    size = len(states.t)
    masks = np.asarray(batched(env, "action_mask")(states, params))
    rng = np.random.default_rng(0)
    for action in range(env.num_actions) if env.num_actions < 10 else range(0, env.num_actions, 7):
        actions = (action + rng.integers(0, 7, size)) % env.num_actions
        after, _ = batched(env, "step")(states, actions, params)
        features = batched(env, "features")(after, params)
        mask = masks[np.arange(size), actions]
        assert (np.asarray(features["valid"]) == mask).all()
        assert (np.asarray(features["invalid_reason"]) == ~mask).all()
        for field in dataclasses.fields(states):
            if field.name not in ("t", "log", "fresh"):
                same = np.asarray(getattr(after, field.name) == getattr(states, field.name))
                assert same.reshape(size, -1).all(1)[~mask].all(), field.name


@pytest.mark.parametrize("name", HARD)
def test_no_such_action_is_unparseable(name: str) -> None:
    env, params = make(name, invalid_penalty=0.25)
    state = one(env, "reset")(jax.random.key(0), params)
    for action in (-1, env.num_actions):
        after, timestep = one(env, "step")(state, action, params)
        features = one(env, "features")(after, params)
        assert int(features["invalid_reason"]) == 2 and float(timestep.reward) == -0.25
        assert env.captions[int(features["caption_id"])] == "that is not a command."


@pytest.mark.parametrize("name", HARD)
def test_commands_round_trip(name: str) -> None:
    env, params, states = played(name)
    for i in range(0, len(states.t), 97):
        state = rows(states, i)
        commands = env.admissible_commands(state, params)
        admissible = np.flatnonzero(one(env, "action_mask")(state, params))
        assert len(set(commands)) == len(commands) == len(admissible)
        for action, command in zip(admissible, commands, strict=True):
            assert env.render_action(action, state) == command
            assert env.parse(command, state, params) == (action, ""), command


def test_refusals_come_from_the_task() -> None:
    env, params = make("Treasure-easy")
    for seed in range(20):
        state = one(env, "reset")(jax.random.key(seed), params)
        for way in np.flatnonzero(np.asarray(state.exits[state.agent]) < 0):
            direction = ("north", "east", "south", "west")[way]
            assert env.parse(direction, state, params) == (None, f"you cannot go {direction} from here.")
        text = env.text(state, params)
        if "locked" in text and "door" in text:
            way = next(w for w in ("north", "east", "south", "west") if f"door to the {w} is locked" in text)
            assert env.parse(f"go {way}", state, params) == (None, f"the door to the {way} is locked.")
            assert env.parse(f"unlock {way} door", state, params) == (None, "you do not have the right key.")
            return
    raise AssertionError("no locked door in sight in 20 levels")


@given(st.text(max_size=80))
@settings(max_examples=25)
def test_parse_never_raises(text: str) -> None:
    env, params, states = played("Treasure-hard")
    action, reason = env.parse(text, rows(states, 100), params)
    assert action is None or 0 <= action < env.num_actions
    assert (action is None) == bool(reason)


@pytest.mark.parametrize("name", HARD)
def test_captions(name: str) -> None:
    env, params, states = played(name)
    ids = np.asarray(batched(env, "features")(states, params)["caption_id"])
    assert len(set(env.captions)) == len(env.captions) <= 2000 and env.captions[0] == "nothing happens."
    assert ids.min() == 0 and ids.max() < len(env.captions) and len(set(ids)) >= 7
    for i in range(0, len(ids), 41):
        reply = np.asarray(one(env, "observe")(rows(states, i), params)["lines"])
        kind = np.asarray(one(env, "observe")(rows(states, i), params)["line_type"])
        said = [detokenize(line) for line in reply[kind == lines.FEEDBACK]]
        if said and ids[i] and "you walk" in said[0]:
            assert env.captions[ids[i]] == said[0]
        if said and said[0].startswith(("you take", "you drop", "you put")):
            noun = said[0].split(" into ")[0].rstrip(".").split()[-1]
            assert noun in env.captions[ids[i]]


@pytest.mark.parametrize("name", HARD)
def test_features_are_consistent(name: str) -> None:
    env, params, states = played(name)
    features = {k: np.asarray(v) for k, v in batched(env, "features")(states, params).items()}
    assert (features["subgoals"] >= features["subgoals_now"]).all()
    assert (features["subgoals"] >= features["subgoal_event"]).all()
    assert ((features["oracle_steps"] == 0) == features["success"]).all()
    assert ((features["progress"] >= 0) & (features["progress"] <= 1)).all()
    assert ((features["goal_distance"] >= 0) & (features["goal_distance"] <= 1)).all()
    assert (features["state_id"] >= 0).all() and features["state_id"].max() < env.num_state_ids
    assert not features["failure"].any()
    assert features["events"].any(0).sum() >= 1


def test_take_and_drop_events() -> None:
    env, params = make("Treasure-easy", goal=0, locks=0)
    state = one(env, "reset")(jax.random.key(5), params)
    names = list(env.event_names)
    step, features = one(env, "step"), one(env, "features")
    while not features(state, params)["subgoals"][6]:
        state, _ = step(state, one(env, "oracle_action")(state, params), params)
    assert features(state, params)["events"][names.index("took_goal_object")]
    assert "the thing the task is about" in env.captions[int(features(state, params)["caption_id"])]
    drop = next(c for c in env.admissible_commands(state, params) if c.startswith("drop"))
    state, timestep = step(state, env.parse(drop, state, params)[0], params)
    after = features(state, params)
    assert after["events"][names.index("dropped_goal_object")] and float(timestep.reward) == 0
    assert after["subgoals"][6] and not after["subgoals_now"][6] and not after["subgoal_event"].any()


@pytest.mark.parametrize("name", ["Coin-easy", "Treasure-easy"])
def test_reward_and_end(name: str) -> None:
    """Sparse reward once, termination only at success, truncation only at the step limit."""
    env, params = make(name, time_bonus=0.5, invalid_penalty=0.0)
    step, act = one(env, "step"), one(env, "oracle_action")
    state = one(env, "reset")(jax.random.key(2), params)
    start, rewards = int(one(env, "features")(state, params)["oracle_start"]), []
    for _ in range(start):
        state, timestep = step(state, act(state, params), params)
        rewards.append(float(timestep.reward))
    assert bool(timestep.terminated) and not bool(timestep.truncated)
    assert rewards[:-1] == [0.0] * (start - 1) and float(timestep.performance) == 1.0
    assert rewards[-1] == pytest.approx(1 - 0.5 * start / env.horizon(params))
    _, beyond = step(state, 0, params)
    assert float(beyond.reward) == 0.0
    state = one(env, "reset")(jax.random.key(2), params)
    look = list(env.action_names).index("look")
    for t in range(env.horizon(params)):
        assert t == 0 or not bool(timestep.truncated)
        state, timestep = step(state, look, params)
    assert bool(timestep.truncated) and not bool(timestep.terminated) and float(timestep.reward) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_do_not_recompile(family: str) -> None:
    env, _ = make(f"{family}-easy")
    run = jax.jit(lambda key, params: env.observe(env.step(one(env, "reset")(key, params), 0, params)[0], params))
    for preset in (name for name in PRESETS if name.startswith(family)):
        same, params = make(preset)
        assert same == env, "all difficulties of a family share the static part"
        for field in dataclasses.fields(params):
            changed = jnp.asarray(getattr(params, field.name)) + 1
            run(jax.random.key(0), params.replace(**{field.name: changed.astype(getattr(params, field.name).dtype)}))
    assert run._cache_size() == 1


def test_views() -> None:
    """Feedback shows a room when it is entered or looked at; full shows what is far away."""
    for view in ("feedback", "full"):
        env, params = make("Treasure-hard", view=view)
        state = one(env, "reset")(jax.random.key(1), params)
        first = env.text(state, params)
        waited = env.text(one(env, "step")(state, env.action_names.index("wait"), params)[0], params)
        assert ("there is an exit" in first or "door" in first) and "time passes." in waited
        if view == "feedback":
            assert len(waited.split()) < len(first.split())
        else:
            assert first.count(" is in the ") >= 12
    with pytest.raises(ValueError, match="no view 'all'"):
        make("Treasure-hard", view="all")
    with pytest.raises(ValueError, match="history=9"):
        make("Coin-hard", history=9)


def test_history_lines() -> None:
    env, params = make("Coin-easy", history=3)
    state = one(env, "reset")(jax.random.key(0), params)
    for _ in range(3):
        state, _ = one(env, "step")(state, one(env, "oracle_action")(state, params), params)
    text = env.text(state, params)
    assert "2 steps ago: you walk" in text and "3 steps ago: you walk" in text and "4 steps ago" not in text
    assert env.num_lines == make("Coin-easy", history=0)[0].num_lines + 3


def test_hint_tells_the_way() -> None:
    env, params = make("Coin-hard", hint=1, quest=6)
    state = one(env, "reset")(jax.random.key(0), params)
    text = env.text(state, params).split(". you are")[0].replace("find the coin and take it. ", "")
    ways = [w for w in text.replace(".", "").split() if w in ("north", "east", "south", "west")]
    assert len(ways) == 6 and text.startswith("first go")
    for way in ways:
        state, _ = one(env, "step")(state, ("north", "east", "south", "west").index(way), params)
    assert int(one(env, "features")(state, params)["oracle_steps"]) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_admissible_slots(family: str) -> None:
    env, params, states = played(f"{family}-hard")
    mask = np.asarray(batched(env, "action_mask")(states, params))
    assert mask.sum(1).max() <= 0.8 * 48
    slots, commands = one(env, "slot_lines")(rows(states, 3), params)
    assert [int(s) for s in slots if s >= 0] == np.flatnonzero(mask[3]).tolist()
    assert [detokenize(c) for c in np.asarray(commands) if c.any()] == env.admissible_commands(rows(states, 3), params)


@pytest.mark.parametrize("family", FAMILIES)
def test_card(family: str) -> None:
    from rewardax.envs.cards import card

    env, params = make(f"{family}-easy")
    facts = card(family)
    assert facts["features"] == list(env.feature_names) and facts["events"] == list(env.event_names)
    assert facts["subgoals"] == list(env.subgoal_names) and facts["actions"] == env.num_actions
    assert facts["lines"] == env.num_lines and facts["words_per_line"] == env.line_width
    assert facts["tokens"] == env.max_tokens and facts["captions"] == len(env.captions)
    assert facts["state_ids"] == env.num_state_ids
    assert facts["vocabulary_hash"] == VOCAB_HASH and facts["template_hash"] == env.templates.hash
    assert set(facts["presets"]) == {name for name in PRESETS if name.startswith(family)}
    size = sum(x.nbytes for x in jax.tree.leaves(one(env, "reset")(jax.random.key(0), params)))
    assert facts["state_bytes"] == size
