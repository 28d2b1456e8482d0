"""Writes the problems of the two PDDL games, Delivery and Kitchen, from a fixed seed.

python scripts/strips_problems.py
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "envs/assets/strips"
COUNT = 16  # problems per difficulty
PLACES = ("kitchen", "pantry", "study", "attic", "library", "office")
THINGS = ("vase", "lamp", "mirror", "lantern")
ROOTS, FRUIT = ("carrot", "potato", "onion"), ("apple", "lemon", "tomato")


def write(game: str, difficulty: str, make: Callable[[random.Random], list[str]]) -> None:
    """One file of different problems."""
    rng, seen = random.Random(f"{game} {difficulty}"), dict[str, None]()
    while len(seen) < COUNT:
        seen.setdefault("\n".join(make(rng)))
    forms = [f"(define (problem {difficulty}-{i})\n  (:domain {game})\n{body})\n" for i, body in enumerate(seen, 1)]
    (ASSETS / game / f"{difficulty}.pddl").write_text("\n".join(forms))


def section(name: str, facts: Iterable[str]) -> str:
    return f"  (:{name} {' '.join(facts)})"


def delivery(rng: random.Random, places: int, loops: int, things: int, basket: bool) -> list[str]:
    """A connected map, things in places, and another place for each. With a basket, half of the maps are a long row of
    rooms with all things at one end and their goals at the other, which is where the basket pays."""
    rooms, goods = rng.sample(PLACES[: places + 1], places), rng.sample(THINGS[: things + 1], things)
    far = basket and rng.random() < 0.5
    ways = {(rooms[i - 1 if far else rng.randrange(i)], rooms[i]) for i in range(1, places)}
    others = [(a, b) for i, a in enumerate(rooms) for b in rooms[i + 1 :] if (a, b) not in ways and (b, a) not in ways]
    ways |= set(rng.sample(others, loops))
    init = [f"(you-at {rng.choice(rooms)})", "(hands-empty)"]
    init += [f"(way {a} {b}) (way {b} {a})" for a, b in sorted(ways)]
    init += [f"(at basket {rng.choice(rooms[:2] if far else rooms)})"] * basket
    target, goal = rooms[-1:] * 2 if far else rng.sample(rooms, 2), []
    for i, thing in enumerate(goods):
        place = target[i % 2]
        init.append(f"(at {thing} {rng.choice(rooms[:2] if far else [room for room in rooms if room != place])})")
        goal.append(f"(at {thing} {place})")
    return [
        f"  (:objects {' '.join(rooms)} - place {' '.join(goods)} - thing)",
        section("init", init),
        f"  (:goal (and {' '.join(goal)}))",
    ]


def kitchen(rng: random.Random, roots: int, fruit: int) -> list[str]:
    """Everything in the fridge; roots are dirty, and each food is to be chopped, fried or both."""
    foods = [*rng.sample(ROOTS, roots), *rng.sample(FRUIT, fruit)]
    init = ["(hands-empty) (shows bowl) (shows pan)", rng.choice(["(open fridge) (shows fridge)", "(closed fridge)"])]
    goal = []
    for i, food in enumerate(foods):
        is_root = i < roots
        init.append(f"(in {food} fridge)" + f" (dirty {food})" * is_root)
        wanted = (
            rng.choice([["chopped"], ["fried"], ["chopped", "fried"]]) if is_root else ["chopped"] * rng.randrange(2)
        )
        goal += [f"(in {food} bowl)", *(f"({how} {food})" for how in wanted)]
    goal.append("(closed fridge)")
    kinds = f"{' '.join(foods[:roots])} - root" + f" {' '.join(foods[roots:])} - fruit" * bool(fruit)
    return [f"  (:objects {kinds})", section("init", init), f"  (:goal (and {' '.join(goal)}))"]


def main() -> None:
    write("delivery", "tiny", lambda rng: delivery(rng, 3, 0, 1, False))
    write("delivery", "easy", lambda rng: delivery(rng, 4, 1, 2, False))
    write("delivery", "medium", lambda rng: delivery(rng, 5, 0, 3, True))
    write("kitchen", "tiny", lambda rng: kitchen(rng, 1, 0))
    write("kitchen", "easy", lambda rng: kitchen(rng, 1, 1))
    write("kitchen", "medium", lambda rng: kitchen(rng, 2, 1))


if __name__ == "__main__":
    main()
