"""Fewest steps to success in Lab, by formulas: schedules of fetching, heating, waiting and watering, the best of which
counts."""

from __future__ import annotations

from itertools import pairwise

import jax.numpy as jnp
from jax import Array

from rewardax.envs.text.lab import level as V
from rewardax.envs.text.lab import things as K
from rewardax.envs.text.lab.level import LabParams, LabState, distance, drift

FAR = 10_000
AHEAD = 96  # steps that the course of a temperature is followed


def _least(*costs: Array) -> Array:
    return jnp.stack([jnp.asarray(cost, jnp.int32) for cost in costs]).min(0)


def _when(condition: Array, cost: Array) -> Array:
    return jnp.where(condition, cost, FAR)


class _Plan:
    """Where things are, seen from the agent."""

    def __init__(self, state: LabState, params: LabParams) -> None:
        self.state, self.rate = state, V.rate(params)
        self.room = V.room_of(state)
        self.held = state.loc == V.HELD
        self.hand = self.held & ~V.tool(state)  # at most one
        self.x = state.roles[0].astype(jnp.int32)
        self.at, self.here = self.room[self.x], state.agent.astype(jnp.int32)
        self.has = self.held[self.x]
        self.full = (self.hand & (jnp.arange(V.THINGS) != self.x)).any().astype(jnp.int32)

    def way(self, *rooms: Array) -> Array:
        """int32: rooms to walk through these rooms in turn."""
        return jnp.stack([distance(self.state, a, b) for a, b in pairwise(rooms)]).sum(0)

    def fetch(self, thing: Array, to: Array) -> Array:
        """int32: from here to a room, with a thing in hand at the end."""
        at, full = self.room[thing], (self.hand & (jnp.arange(V.THINGS) != thing)).any() & ~V.tool(self.state)[thing]
        return jnp.where(self.held[thing], self.way(self.here, to), self.way(self.here, at, to) + full + 1)

    def first(self, after: Array, low: Array, high: Array) -> Array:
        """int32: first step, not before ``after``, at which the target is in [low, high) if it stays where it is."""
        n = jnp.arange(AHEAD)
        temp = drift(self.state.temp[self.x].astype(jnp.int32), V.surroundings(self.state)[self.x], self.rate * n)
        fits = (n >= after) & (temp >= low) & (temp < high)
        return jnp.where(fits.any(), jnp.argmax(fits), FAR)

    def brought(self, before: Array, carried: Array | int = 0) -> Array:
        """int32: temperature of the target after ``before`` steps where it is and ``carried`` steps in a room."""
        temp = drift(self.state.temp[self.x].astype(jnp.int32), V.surroundings(self.state)[self.x], self.rate * before)
        return drift(temp, jnp.int32(K.ROOM_WARMTH), self.rate * carried)

    def heating(self, temp: Array, low: Array) -> Array:
        """int32: steps on the stove, at least one, until ``low`` is reached."""
        return jnp.maximum(-((temp - low) // self.rate), 1)

    def cooling(self, temp: Array, high: Array) -> Array:
        """int32: steps of getting colder, at least one, until below ``high``."""
        return jnp.maximum((temp - high) // self.rate + 1, 1)


def oracle_steps(state: LabState, params: LabParams) -> Array:
    """int32: 0 after success, -1 after failure or when the wrong paints were mixed."""
    plan = _Plan(state, params)
    left = jnp.select(
        [state.task == task for task in (K.FIND, K.MEASURE, K.GROW, K.MIX)],
        [_find(plan), _measure(plan), _grow(plan, params), _mix(plan)],
        _phase(plan),
    )
    left = jnp.where(left >= FAR, -1, left)
    return jnp.select([state.outcome == V.SUCCESS, state.outcome == V.FAILURE], [0, -1], left).astype(jnp.int32)


def _find(plan: _Plan) -> Array:
    """The cheapest thing of the wanted sort: focus on it if that is not done, bring it to the box."""
    state = plan.state
    box = state.holder[state.answer].astype(jnp.int32)
    good = (state.loc >= 0) & ((state.kind == K.LIVING) == (state.value == 1))
    lies = V.inside(state) == state.answer
    things = jnp.arange(V.THINGS)
    near = distance(state, plan.here, plan.room)
    full = (plan.hand & (things != things[:, None])).any(1) & ~V.tool(state)
    bring = near + jnp.where(plan.held, 0, 1 + full) + distance(state, plan.room, box) + 1
    return jnp.where(good, jnp.where(lies, near, bring) + (state.focused != things), FAR).min()


def _phase(plan: _Plan) -> Array:
    """boil, melt, freeze: wait for what happens by itself, or bring the target to stove or freezer."""
    state, x = plan.state, plan.x
    melts, boils = state.melts[x].astype(jnp.int32), state.boils[x].astype(jnp.int32)
    cold = state.task == K.FREEZE
    low = jnp.select([state.task == K.BOIL, state.task == K.MELT], [boils, melts], -FAR)
    high = jnp.select([state.task == K.MELT, cold], [boils, melts], FAR)
    source = jnp.where(cold, V.FREEZER, V.STOVE)
    place = state.holder[source].astype(jnp.int32)
    running = jnp.where(cold, V.is_on(state, V.FREEZER), V.is_on(state, V.STOVE))
    on_it = V.inside(state)[x] == source
    near = plan.way(plan.here, plan.at)
    stay = plan.first(near, low, high) + 1

    def moved(before: Array, carried: Array) -> Array:
        temp = plan.brought(before, carried)
        steps = jnp.where(cold, plan.cooling(temp, high), plan.heating(temp, low))
        passed = ~cold & (temp + steps * plan.rate >= high)
        return _when(~(on_it & running) & ~passed, before + carried + steps + 1)

    carried = jnp.where(plan.has, 0, 1) + plan.way(plan.at, place) + ~running
    go = moved(jnp.where(on_it, near, jnp.where(plan.has, 0, near + plan.full)), jnp.where(on_it, 0, carried))
    # a hand is full and it lies where it should not: turn that off before dropping something
    unplug = _when(~on_it & ~plan.has, moved(near, carried + plan.full + 1))

    # melt, and it boils on the stove: turn it off
    temp = plan.brought(near)
    steps = plan.cooling(temp, high)
    off = _when(
        (state.task == K.MELT) & on_it & running & (temp >= high) & (temp - steps * plan.rate >= low), near + steps + 1
    )
    return _least(stay, go, unplug, off)


def _measure(plan: _Plan) -> Array:
    """Thermometer and heat, in either order; then the right box."""
    state, x, way, here, at = plan.state, plan.x, plan.way, plan.here, plan.at
    stove = state.holder[V.STOVE].astype(jnp.int32)
    box = state.holder[state.answer].astype(jnp.int32)
    tool = state.roles[2].astype(jnp.int32)
    lies, has_tool = plan.room[tool], plan.held[tool]
    low, high = state.melts[x].astype(jnp.int32), jnp.int32(FAR)
    running, on_it = V.is_on(state, V.STOVE), V.inside(state)[x] == V.STOVE
    answer = plan.fetch(x, box) + 1

    # where it is: the tool first
    spot = jnp.where(plan.has, jnp.where(has_tool, here, lies), at)
    arrive = jnp.where(has_tool, way(here, spot), way(here, lies, spot) + 1)
    ready = plan.first(arrive, low, high)
    take = jnp.where(plan.has, 0, 1 + jnp.maximum(plan.full - (ready - arrive), 0))
    stay = jnp.where(ready < FAR, ready + 1 + take + way(spot, box) + 1, FAR)

    # it lies on the stove, which is off
    end = 2 + way(stove, box) + 1  # measure, take, put
    steps = plan.heating(plan.brought(arrive), low)
    on_1 = arrive + steps + end + jnp.maximum(plan.full - (steps - 1), 0)
    walk, absent = way(here, stove), 2 * way(stove, lies) + 2
    steps = plan.heating(plan.brought(walk), low)
    on_2 = walk + jnp.maximum(steps, absent) + end + jnp.maximum(plan.full - jnp.maximum(steps - absent, 0), 0)
    # or it gets so hot that it can be carried to the tool and is a liquid still
    hand_over = 2 + way(stove, lies)  # take, walk, take the tool
    hot = low + plan.rate * hand_over
    over = _when(~has_tool & (hot <= K.STOVE_HEAT), hand_over + 1 + way(lies, box) + 1)
    on_3 = walk + jnp.maximum(plan.heating(plan.brought(walk), hot), 1 + plan.full) + over
    switch = _when(on_it & ~running, _least(on_1, _when(~has_tool, on_2), on_3))

    # it has to be brought to the stove: tool before, tool on the way, tool while it gets hot
    def heated(before: Array, carried: Array, absent: Array | int) -> Array:
        temp = plan.brought(before, carried)
        here = jnp.maximum(plan.heating(temp, low), absent) + end
        return before + carried + _least(here, plan.heating(temp, hot) + over)

    def brought(before: Array, carried: Array, absent: Array | int = 0) -> Array:
        """With a full hand: drop something at once, or turn off where it lies (or wait) and then drop."""
        now = heated(before + jnp.where(plan.has, 0, plan.full), carried, absent)
        later = _when(~plan.has, heated(before, carried + plan.full + 1, absent))
        return _least(now, later)

    reach, lift = jnp.where(plan.has, 0, way(here, at)), jnp.where(plan.has, 0, 1)
    direct = brought(reach, lift + way(at, stove) + ~running)
    tool_first = brought(way(here, lies, at) + 1, 1 + way(at, stove) + ~running)
    tool_then = brought(reach, lift + way(at, lies, stove) + 1 + ~running)
    tool_last = brought(reach, lift + way(at, stove) + ~running, absent)
    bring = jnp.where(has_tool, direct, _least(_when(~plan.has, tool_first), tool_then, tool_last))
    # it is hot or getting hot: carry it to the tool
    hand_over = 2 + way(at, lies)
    ready = plan.first(way(here, at) + plan.full, low + plan.rate * hand_over, high)
    carry = _when(~plan.has & ~has_tool & (ready < FAR), ready + hand_over + 1 + way(lies, box) + 1)
    return jnp.where(state.measured, answer, _least(stay, switch, carry, _when(~on_it, bring)))


def _grow(plan: _Plan, params: LabParams) -> Array:
    """Seed, can and lamp; what grows while the agent is away counts."""
    state, way, here, at = plan.state, plan.way, plan.here, plan.at
    pot, can = state.holder[V.FIRST_BOX].astype(jnp.int32), state.roles[1].astype(jnp.int32)
    lies, has_can = plan.room[can], plan.held[can]
    need, water = V.full_growth(params) - state.grown, state.water.astype(jnp.int32)
    planted, dark = V.inside(state)[plan.x] == V.FIRST_BOX, (~V.is_on(state, V.LAMP)).astype(jnp.int32)
    wet = lambda after: jnp.maximum(water - after, 0)  # noqa: E731
    trip = 2 * way(pot, lies) + 2  # growing steps until the can is there, when it is fetched last

    def watered(start: Array, soil: Array) -> Array:
        """The first growing step is step ``start + 1``; the can is fetched when the soil gets dry or before."""
        alone = _when(need <= soil, start + need + 1)
        return _least(alone, _when(~has_can, start + trip + need - jnp.minimum(soil, trip) + 1))

    # planted in the light
    near, arrive = way(here, pot), plan.fetch(can, pot)
    lit = jnp.where(need <= water, jnp.maximum(near, need) + 1, arrive + need - jnp.minimum(water, arrive) + 1)
    # planted in the dark
    unlit = _least(arrive + need + 1 + (wet(arrive) == 0), watered(near, wet(near)))
    # not planted
    sow = jnp.where(plan.has, way(here, pot), way(here, at, pot) + plan.full + 1)
    can_first = jnp.where(plan.has, way(here, lies, pot), way(here, lies, at, pot) + plan.full + 1) + 1
    seed_first = jnp.where(plan.has, FAR, way(here, at, lies, pot) + plan.full + 2)
    both = jnp.where(has_can, sow, _least(can_first, seed_first)) + dark
    sown = _least(both + need + 1 + (wet(both) == 0), watered(sow + dark, wet(sow + dark)))
    left = jnp.where(planted, jnp.where(dark == 0, lit, unlit), sown)
    return jnp.where(need <= 0, way(here, at) + 1, left)


def _mix(plan: _Plan) -> Array:
    """Both paints into the cup, one after the other."""
    state, x = plan.state, plan.x
    other = state.roles[1].astype(jnp.int32)
    cup, color = state.holder[V.FIRST_BOX].astype(jnp.int32), V.cup_color(state)
    paints = jnp.asarray(K.PARTS)[jnp.clip(state.value - K.COLOR, 0, 11)]
    second = lambda thing: plan.way(cup, plan.room[thing], cup) + 2  # noqa: E731
    empty = _least(plan.fetch(x, cup) + 1 + second(other), plan.fetch(other, cup) + 1 + second(x)) + 1
    lacks = lambda thing: plan.fetch(thing, cup) + 2  # noqa: E731
    return jnp.select(
        [color < 0, color == state.value, color == paints[0], color == paints[1]],
        [empty, plan.way(plan.here, cup) + 1, lacks(other), lacks(x)],
        FAR,
    )
