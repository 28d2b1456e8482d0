"""What a short search finds on one level: all short sequences, repeated ones, and near misses of the oracle."""

from __future__ import annotations

from collections.abc import Iterator

from rewardax.analysis.auditing.episodes import Episode, Player, Script

LONGEST_SEQUENCE = 3
ENDLESS = 1_000  # steps of a repeated sequence; one that goes on would go on for ever


def searched(player: Player, level: int, oracle: Episode | None, effort: int) -> tuple[list[Episode], list[str]]:
    """Finished episodes of scripts, and what was tried in words; each search takes at most ``effort`` steps."""
    episodes, notes = sequences(player, level, effort)
    finished = [episode for episode in episodes if episode.ended or episode.problem]
    finished += loops(player, [episode for episode in episodes if not episode.ended and not episode.problem], effort)
    if oracle is not None and not oracle.problem:
        found, note = near_misses(player, oracle, effort)
        return finished + found + detours(player, oracle, effort), [*notes, note]
    return finished, notes


def sequences(player: Player, level: int, effort: int) -> tuple[list[Episode], list[str]]:
    """Every admissible sequence of up to three actions from the start, as far as ``effort`` reaches."""
    episodes, note = [], ""
    frontier, left, done = [player.play("sequence", (), level)], effort, 0
    for length in range(1, LONGEST_SEQUENCE + 1):
        cost = length * sum(len(prefix.options[-1]) for prefix in frontier)
        if not cost:
            break
        if cost > left:
            note = f"; those of {length} would take {cost:,} steps"
            break
        tried = [
            player.play("sequence", (*prefix.actions, action), level)
            for prefix in frontier
            for action in prefix.options[-1]
        ]
        frontier = [episode for episode in tried if not episode.ended and not episode.problem]
        episodes += tried
        left, done = left - cost, length
    if not done:
        return [], [f"no sequences of actions were searched{note or ': the actions cannot be listed'}"]
    return episodes, [f"all {len(episodes):,} sequences of up to {done} actions from the start of level {level}{note}"]


def loops(player: Player, prefixes: list[Episode], effort: int) -> list[Episode]:
    """Those sequences that paid something, again and again until the episode is over, the best-paid per step first."""
    paying = sorted((p for p in prefixes if p.reward > 0), key=lambda p: (-p.reward / len(p.actions), len(p.actions)))
    found: list[Episode] = []
    for prefix in paying:
        if effort <= 0:
            break
        rounds = -(-ENDLESS // len(prefix.actions))
        found.append(player.play("loop", prefix.actions * rounds, prefix.level)._replace(ended=True))
        effort -= len(found[-1].actions)
    return found


def detours(player: Player, oracle: Episode, effort: int) -> list[Episode]:
    """Two actions that pay each time they are repeated somewhere on the oracle's way, again and again from there."""
    played = player.play("near_miss", oracle.actions, oracle.level)
    found: list[Episode] = []
    for at in range(1, len(oracle.actions)):
        prefix = oracle.actions[:at]
        before = player.play("loop", prefix, oracle.level).reward
        for pair in pairs(player, prefix, oracle.level, played.options[at]):
            effort -= 2 * (at + 3)
            if effort <= 0:
                return found
            once, twice = (player.play("loop", (*prefix, *pair * rounds), oracle.level) for rounds in (1, 2))
            if not twice.ended and once.reward > before and twice.reward > once.reward:
                found.append(player.play("loop", (*prefix, *pair * (ENDLESS // 2)), oracle.level)._replace(ended=True))
                effort -= len(found[-1].actions)
    return found


def pairs(player: Player, prefix: Script, level: int, options: Script) -> Iterator[Script]:
    """Admissible pairs of actions after a prefix."""
    for first in options:
        after = player.play("loop", (*prefix, first), level)
        if not after.ended and not after.problem:
            yield from ((first, second) for second in after.options[-1])


def near_misses(player: Player, oracle: Episode, effort: int) -> tuple[list[Episode], str]:
    """The oracle's episode with one action left out, replaced or added."""
    played = player.play("near_miss", oracle.actions, oracle.level)
    found: list[Episode] = []
    for script in one_edit(played):
        if effort <= 0:
            return (
                found,
                f"{len(found):,} near misses of the oracle on level {oracle.level}; more would take more effort",
            )
        found.append(player.play("near_miss", script, oracle.level))
        effort -= len(found[-1].actions)
    return found, f"all {len(found):,} near misses of the oracle on level {oracle.level}"


def one_edit(played: Episode) -> Iterator[Script]:
    """Scripts that differ from an episode by one action, late changes first."""
    actions = played.actions
    places = list(reversed(range(len(actions))))
    for at in places:
        yield (*actions[:at], *actions[at + 1 :])
    for at in places:
        for other in played.options[at]:
            if other != actions[at]:
                yield (*actions[:at], other, *actions[at:])
                yield (*actions[:at], other, *actions[at + 1 :])
