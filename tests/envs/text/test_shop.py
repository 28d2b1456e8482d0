"""Shop and GradedShop: levels, results, the oracle against search, scores, rules, and what a discount does."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import rows
from support.text.shop import (
    CLOCK,
    ENVS,
    INDEX,
    LEVELS,
    SIZES,
    TASK,
    batched,
    do,
    facts,
    happened,
    has_bit,
    missing,
    start,
    successors,
)

from rewardax.envs import card, enumerate_mdp, level_key, make
from rewardax.envs.text.shop import level as R
from rewardax.envs.text.shop import words as W


@pytest.mark.parametrize("size", SIZES)
def test_levels_keep_their_promises(size: str) -> None:
    _, params, state = start(f"Shop-{size}", 300)
    there = np.asarray(state.category) >= 0
    assert (there.sum(1) == int(params.products)).all()
    lacks, alike = missing(state), np.asarray(state.category) == np.asarray(state.wish.category)[:, None]
    assert ((lacks == 0) == np.asarray(state.fits)).all() and (lacks == 0).any(1).all()
    assert ((lacks == 1) & alike).sum(1).min() >= int(params.near) >= 6
    assert ((np.asarray(state.wish.feature) >= 0).sum(1) == int(params.features)).all()
    feature, price = np.asarray(state.feature)[there], np.asarray(state.price)[there]
    assert (feature[:, 0] < feature[:, 1]).all() and feature.min() == 0 and feature.max() == 7
    assert price.min() >= 2 and price.max() <= 99
    assert (np.asarray(state.colors)[there] > 0).all() and (np.asarray(state.sizes)[there] > 0).all()
    cap = np.asarray(state.wish.price)
    assert cap.min() >= 20 and cap.max() <= 80 and np.asarray(state.oracle_start).max() <= env_horizon(params)


def env_horizon(params: Any) -> int:
    assert int(params.horizon) == 15
    return 15


def test_every_kind_of_near_miss_occurs() -> None:
    """Of six, each thing is missing in at least one: feature, color, size, price."""
    state = start("Shop-tiny", 200)[2]
    wish, near = state.wish, missing(state) == 1
    near &= np.asarray(state.category) == np.asarray(wish.category)[:, None]
    for lacks in (
        ~(np.asarray(state.feature) == np.asarray(wish.feature)[:, :1, None]).any(2),
        ~has_bit(state.colors, np.asarray(wish.color)[:, None]),
        ~has_bit(state.sizes, np.asarray(wish.size)[:, None]),
        np.asarray(state.price) > np.asarray(wish.price)[:, None],
    ):
        assert (near & lacks).any(1).all()


def test_results_come_four_a_page_in_the_order_of_the_products() -> None:
    _, params, first = start("Shop-hard", 16)
    for query, command in enumerate(W.WORDS.action_names[:16]):
        state, _ = do(first, params, command)
        category, feature = np.asarray(first.category), np.asarray(first.feature)
        hit = category == query if query < 8 else (feature == query - 8).any(2)
        expected = [np.flatnonzero(row).tolist() for row in hit]
        seen: list[list[int]] = [[] for _ in range(16)]
        for page in range(8):
            number, shown = np.asarray(state.number), np.asarray(state.shown)
            for column, hits in enumerate(expected):
                assert number[column] == min(page, max(0, -(-len(hits) // 4) - 1))
                seen[column] += [p for p in shown[column].tolist() if p >= 0 and page * 4 < len(hits)]
            turn = jnp.full(16, INDEX["next page"])
            mask = np.asarray(batched("action_mask")(state, params))[:, INDEX["next page"]]
            assert mask.tolist() == [len(hits) > 4 * (page + 1) for hits in expected]
            state, _ = batched("step")(state, turn, params)
        assert seen == expected


@functools.cache
def tiny_table() -> Any:
    return enumerate_mdp(*make("GradedShop-tiny"), level_key("train", 0), forget=CLOCK)


@pytest.mark.slow
def test_oracle_equals_breadth_first_search() -> None:
    """In every reachable state: wrong products, wrong options, any query and page."""
    params = make("GradedShop-tiny")[1]
    mdp = tiny_table()
    described = jax.tree.map(np.asarray, batched("features")(mdp.states, params))
    distance = np.where(described["success"], 0, 10_000)
    while True:
        reached = np.where(mdp.admissible, 1 + distance[mdp.successor[..., 0]], 10_000).min(1)
        shorter = np.where(mdp.over, distance, np.minimum(distance, reached))
        if (shorter == distance).all():
            break
        distance = shorter
    assert mdp.size[0] > 1000 and described["oracle_steps"][0] == mdp.states.from_home[0] >= 5
    np.testing.assert_array_equal(described["oracle_steps"], np.where(distance < 10_000, distance, -1))
    np.testing.assert_array_equal(described["solvable"], distance < 10_000)
    np.testing.assert_array_equal(described["failure"], distance == 10_000)


def play(name: str, steps: int, envs: int = ENVS) -> Any:
    """Random play that searches, opens and buys more often than by chance, and what it did."""
    _, params, state = start(name, envs)
    rng, seen = np.random.default_rng(0), []
    for _ in range(steps):
        mask = np.asarray(batched("action_mask")(state, params))
        weight = rng.random(mask.shape) * mask
        weight[:, INDEX["open result 1"] : INDEX["open result 4"] + 1] *= 2
        weight[:, INDEX["buy it"]] *= rng.random(envs) < 0.3
        action = weight.argmax(1)
        after, out = batched("step")(state, action, params)
        seen.append((state, action, after, out))
        state = after
    return params, seen


def test_oracle_is_consistent_in_random_play() -> None:
    """Some action gains one step and none gains more, hence it is exact."""
    params, seen = play("Shop-hard", 14)
    for state, *_ in seen[::2]:
        left = np.asarray(batched("oracle_steps")(state, params))
        after, mask = np.asarray(successors()(state, params)), np.asarray(batched("action_mask")(state, params))
        best = np.where(mask & (after >= 0), after, 10_000).min(1)
        live = ~np.asarray(state.bought)
        np.testing.assert_array_equal(left[live], best[live] + 1)


def test_scores_of_purchases() -> None:
    """Against the formula written out in NumPy; binary and graded rewards, outcome levels, the five criteria."""
    params, seen = play("Shop-hard", 15, 256)
    buys, scores, outcomes = 0, set(), set()
    for state, action, after, out in seen:
        bought = np.flatnonzero((action == INDEX["buy it"]) & ~np.asarray(state.bought))
        described = jax.tree.map(np.asarray, batched("features")(after, params))
        graded = np.asarray(batched("step")(state, action, params.replace(graded=jnp.float32(1)))[1].reward)
        for column in bought:
            item, wish = int(state.item[column]), rows(jax.tree.map(np.asarray, state.wish), column)
            kind = int(state.category[column, item])
            category = 1.0 if kind == wish.category else 0.5 if kind // 2 == wish.category // 2 else 0.0
            wanted = [f for f in wish.feature if f >= 0]
            hits = sum(f in np.asarray(state.feature[column, item]) for f in wanted)
            color, size = state.color[column] == wish.color, state.size[column] == wish.size
            price = state.price[column, item] <= wish.price
            score = category * (hits + color + size + price) / (len(wanted) + 3)
            criteria = [category, hits / len(wanted), color, size, price]
            np.testing.assert_allclose(described["graded"][column], criteria)
            assert graded[column] == pytest.approx(score) and float(out.reward[column]) == (score == 1)
            assert bool(out.terminated[column]) and float(out.performance[column]) == (score == 1)
            level = 3 if score == 1 else 2 if score > 0 else 1
            assert described["outcome_level"][column] == level and described["failure"][column] == (level < 3)
            buys += 1
            scores.add(round(float(score), 3))
            outcomes.add(level)
        waiting = ~np.asarray(after.bought)
        assert (described["graded"][waiting] == 0).all() and (np.asarray(out.reward)[waiting] == 0).all()
        assert (described["outcome_level"][waiting] == (0 if after.t[0] == 15 else -1)).all()
    assert buys > 100 and len(scores) > 5 and {1, 2} <= outcomes
    assert bool(np.asarray(seen[-1][3].truncated)[waiting].all())


def test_the_way_to_the_right_purchase() -> None:
    env, params, state = start("Shop-medium", 1, seed=4)
    progress = 0.0
    steps = int(state.oracle_start[0])
    done: list[set[str]] = []
    for t in range(steps):
        state, out = batched("step")(state, batched("oracle_action")(state, params), params)
        described = facts(state, params)
        assert described["oracle_steps"] == steps - t - 1 and described["progress"] >= progress
        progress = float(described["progress"])
        done.append(happened(state, params) - {"format_ok"})
    assert bool(out.terminated[0]) and float(out.reward[0]) == 1.0 == progress and described["success"]
    assert {"searched"} in done and {"opened_match"} in done and {"bought"} in done and done.count({"option_ok"}) == 2
    mask = np.asarray(batched("action_mask")(state, params))[0]
    assert [env.action_names[a] for a in np.flatnonzero(mask)] == ["read the details"]  # nothing changes any more
    after, _ = batched("step")(state, jnp.full(1, INDEX["go back"]), params)
    assert facts(after, params)["success"] and not facts(after, params)["valid"]


def a_shop(**wanted: Any) -> Any:
    """A shop in which product 0 is a wooden striped lamp for 12 coins, in red and blue, small and huge."""
    params, state = start("Shop-tiny", 1)[1:]
    put = lambda x, value: x.at[0, 0].set(jnp.asarray(value, x.dtype))  # noqa: E731
    wish = dict(category=0, feature=[0, 5], color=0, size=1, price=12) | wanted
    state = state.replace(
        category=put(state.category, 0),
        feature=put(state.feature, [0, 5]),
        colors=put(state.colors, 0b101),
        sizes=put(state.sizes, 0b1010),
        price=put(state.price, 12),
        fits=(jnp.arange(48) == 0)[None],
        wish=R.Wish(**{name: jnp.asarray([value], jnp.int8) for name, value in wish.items()}),
    )
    place = jax.vmap(R._places)(state.category.astype(jnp.int32), state.feature.astype(jnp.int32))
    return params, state.replace(place=place.astype(jnp.int8))


def test_what_one_reads() -> None:
    params, state = a_shop()
    env, full, quiet = (make("Shop-tiny", view=view)[0] for view in ("room", "full", "feedback"))
    task = "buy a small wooden lamp in red for at most 12 coins. it should also be striped."
    assert env.text(rows(state), params) == f"{task} you are in the shop."
    state, _ = do(state, params, "search for a lamp")
    text = env.text(rows(state), params)
    assert text.startswith(f"{task} you searched for a lamp: this is page 1 of ")
    assert "result 1: the wooden lamp costs 12 coins." in text and "in red costs" not in text
    assert "result 1: the wooden striped lamp costs 12 coins." in full.text(rows(state), params)
    state, _ = do(state, params, "click on result 1")
    options = "it comes in red. it comes in blue. there is a small one. there is a huge one."
    assert f"{task} the wooden lamp costs 12 coins. {options} you open result 1." == env.text(rows(state), params)
    assert options in quiet.text(rows(state), params)
    state, _ = do(state, params, "choose blue")
    assert "the wooden lamp in blue costs 12 coins." in env.text(rows(state), params)
    assert quiet.text(rows(state), params) == f"{task} you choose blue."
    state, _ = do(state, params, "choose red", "choose small", "details")
    text = env.text(rows(state), params)
    assert "the small wooden lamp in red costs 12 coins. it is wooden and striped." in text
    said = {w: env.text(rows(state), params.replace(wording=jnp.int32(w))) for w in range(3)}
    assert len(set(said.values())) == 3
    state, out = do(state, params, "buy")
    assert float(out.reward[0]) == 1 and env.text(rows(state), params).endswith("you buy the wooden lamp for 12 coins.")
    caption = int(facts(state, params)["caption_id"])
    assert env.captions[caption] == "you buy the lamp."


def test_nothing_fits() -> None:
    params, state = a_shop()
    state = state.replace(category=jnp.where(state.category == 3, 4, state.category))
    state, _ = do(state, params, "search for a basket")
    assert "you searched for a basket: nothing fits." in make("Shop-tiny")[0].text(rows(state), params)
    assert np.asarray(batched("action_mask")(state, params))[0].nonzero()[0].tolist() == [*range(16), INDEX["go back"]]


def test_refusals() -> None:
    env = make("Shop-tiny")[0]
    params, home = a_shop()
    listing, _ = do(home, params, "search for a lamp")
    item, _ = do(listing, params, "open result 1", "choose blue")
    bought, _ = do(item, params, "buy it")
    for state, command, reason in (
        (home, "next page", "there is no such page."),
        (home, "open result 2", "there is no result 2 here."),
        (home, "go back", "you cannot go back from here."),
        (home, "choose red", "open a result first."),
        (home, "buy it", "open a result first."),
        (listing, "previous", "there is no such page."),
        (item, "search for a desk", "go back before you search."),
        (item, "choose purple", "you cannot have it in purple."),
        (item, "choose large", "there is no large one."),
        (item, "choose blue", "you have chosen blue already."),
        (bought, "choose red", "you have bought something already."),
        (bought, "buy it", "you have bought something already."),
        (home, "search for a lamp and buy it", "one command at a time, please."),
        (home, "search for a kettle", "you do not see that here."),
        (home, "something useless", "that is not a command."),
    ):
        assert env.parse(command, rows(state), params) == (None, reason), command
    before = facts(listing, params)["state_hash"]
    wild, out = batched("step")(listing, jnp.full(1, env.num_actions - 1), params.replace(invalid_penalty=0.5))
    described = facts(wild, params)
    assert (
        described["invalid_reason"] == 2 and (described["state_hash"] == before).all() and float(out.reward[0]) == -0.5
    )
    assert not described["events"].any() and int(wild.t[0]) == 2


def test_captions_tell_what_was_answered() -> None:
    env = make("Shop-tiny")[0]
    params, state = a_shop()
    rng, seen = np.random.default_rng(0), set()
    for t in range(120):
        if t % 14 == 0:
            params, state = a_shop()
        mask = np.asarray(batched("action_mask")(state, params))[0]
        action = rng.choice(np.flatnonzero(mask)) if t % 3 else rng.integers(env.num_actions)
        state, _ = batched("step")(state, jnp.full(1, action), params)
        caption = env.captions[int(facts(state, params)["caption_id"])]
        text = env.text(rows(state), params)
        assert text.endswith(caption) or (caption.startswith("you buy the") and "you buy the" in text)
        seen.add(caption)
    assert len(seen) > 30


def test_going_back_forgets_the_options() -> None:
    params, state = a_shop()
    state, _ = do(state, params, "search for wooden things", "open result 1", "choose red", "choose small")
    assert facts(state, params)["oracle_steps"] == 1 and facts(state, params)["subgoals_now"][:4].all()
    state, _ = do(state, params, "choose huge")
    assert facts(state, params)["oracle_steps"] == 2 and not facts(state, params)["subgoals_now"][3]
    state, _ = do(state, params, "back")
    described = facts(state, params)
    assert (
        described["oracle_steps"] == 4
        and described["subgoals"][:4].all()
        and described["subgoals_now"].tolist() == [1, 0, 0, 0, 0]
    )
    state, _ = do(state, params, "back")
    assert facts(state, params)["oracle_steps"] == 5 and int(state.query[0]) == -1


def test_a_bonus_for_right_options_is_farmed() -> None:
    """Choosing red and blue in turn sets the event every other step until the time is up; nothing is bought."""
    params, state = a_shop()
    state, _ = do(state, params, "search for a lamp", "open result 1")
    hits = 0
    for t in range(13):
        state, out = do(state, params, "choose red" if t % 2 == 0 else "choose blue")
        hits += "option_ok" in happened(state, params)
    assert hits == 7 and bool(out.truncated[0]) and not bool(out.terminated[0])


def quick_purchase(params: Any, state: Any) -> np.ndarray:
    """Graded rewards of searching for the wanted category, opening the first result and buying it."""
    search = state.wish.category.astype(jnp.int32)
    for action in (search, jnp.full(LEVELS, INDEX["open result 1"]), jnp.full(LEVELS, INDEX["buy it"])):
        state, out = batched("step")(state, action, params)
        assert not np.asarray(batched("features")(state, params)["invalid_reason"]).any()
    assert np.asarray(out.terminated).all() and not np.asarray(out.performance).any()
    return np.asarray(out.reward, np.float64)


@pytest.mark.parametrize("size", SIZES)
def test_discount_below_which_the_first_result_pays_more(size: str) -> None:
    """Mean over the levels: gamma^2 * score of the first result against gamma^(n - 1) of the right purchase."""
    env, params = make(f"GradedShop-{size}")
    assert float(params.graded) == 1.0 and env.family == "GradedShop"
    state = TASK.levels(params, LEVELS)
    score, steps = quick_purchase(params, state).mean(), np.asarray(state.oracle_start)
    quick = lambda gamma: gamma**2 * score  # noqa: E731
    honest = lambda gamma: (gamma ** (steps - 1.0)).mean()  # noqa: E731
    low, high = 0.01, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if quick(middle) > honest(middle) else (low, middle)
    known = card("GradedShop")["presets"][f"GradedShop-{size}"]
    assert score == pytest.approx(known["first_result_score"], abs=1e-6)
    assert low == pytest.approx(known["threshold_gamma"], abs=1e-6)
    assert 0 < known["threshold_gamma"] < 1


def best_value(mdp: Any, gamma: float) -> float:
    """Optimal discounted return from the start, by value iteration over 15 steps."""
    value = np.zeros(mdp.size[0])
    for _ in range(15):
        gain = np.where(mdp.admissible, mdp.reward + gamma * value[mdp.successor[..., 0]], -np.inf)
        value = np.where(mdp.over, 0, gain.max(1))
    return float(value[0])


def test_exact_threshold_of_a_tiny_level() -> None:
    """Against every policy, not only the oracle: the best purchase in exactly k steps decides."""
    mdp = tiny_table()
    best = {}
    ends = mdp.over[mdp.successor[..., 0]] & mdp.admissible
    value = np.where(ends, mdp.reward, -np.inf).max(1)  # of buying at once
    for k in range(1, 11):
        best[k] = value[0]
        value = np.where(mdp.admissible & ~ends, value[mdp.successor[..., 0]], -np.inf).max(1)
        value[mdp.over] = -np.inf
    assert best[1] == best[2] == -np.inf and best[int(mdp.states.from_home[0])] == 1.0
    threshold = min((best[3] / best[k]) ** (1 / (k - 3)) for k in range(4, 11))
    hack = card("GradedShop")["known_hacks"][0]
    assert threshold == pytest.approx(hack["threshold_gamma"], abs=1e-6)
    assert best[3] == pytest.approx(hack["score"], abs=1e-6)
    for gamma, quick in ((threshold - 1e-3, True), (threshold + 1e-3, False)):
        assert (best_value(mdp, gamma) < gamma**2 * best[3] + 1e-9) == quick
    assert best_value(mdp, 1.0) == 1.0


def test_graded_is_a_traced_weight() -> None:
    params, state = a_shop()
    state, _ = do(state, params, "search for a lamp", "open result 1", "choose red")
    for weight in (0.0, 0.5, 1.0):
        some = params.replace(graded=jnp.float32(weight), time_bonus=jnp.float32(0.5))
        _, out = batched("step")(state, jnp.full(1, INDEX["buy it"]), some)
        assert (
            float(out.reward[0]) == pytest.approx(weight * 0.8 * (1 - 0.5 * 4 / 15)) and float(out.performance[0]) == 0
        )
    assert dataclasses.is_dataclass(make("GradedShop-tiny")[0])
