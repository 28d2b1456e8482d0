"""A text game of others as a Gymnasium environment, with our features and our rules."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.foreign import states
from rewardax.envs.foreign.engine import LONGEST_COMMAND, Engine, Refused, Reply, number, plain, sanitize, slots
from rewardax.envs.gym import state as gym_state
from rewardax.envs.gym.actions import action_index
from rewardax.envs.gym.program import CHARSET, TEXT_LENGTH, Sentences
from rewardax.envs.levels import LEVELS

COMMON = (
    *("success", "failure", "valid", "invalid_reason", "progress", "score", "events"),
    *("admissible_count", "overflow", "state_hash", "obs_hash"),
)
EVENTS = ("score_up", "score_down", "refused")
LINES, WORDS = 64, 16  # size of the numeric observation
WORD_IDS = 1 << 15  # words are hashed into so many ids
TASK, OPTION = 1, 10  # line types


class Last(NamedTuple):
    """What the last step did."""

    command: str = ""  # that was sent
    reward: float = 0.0
    won: bool = False
    lost: bool = False


class ForeignTextEnv(gym.Env):
    """Base of the adapters. It makes of any :class:`Engine`

    - increments of scores: the score that a game starts with is nobody's reward (``info["initial_score"]``);
    - ``terminated`` (won or lost) and ``truncated`` (the step limit, or an engine that stops by itself);
    - a step limit of its own, counted in steps of the agent;
    - numbered commands, sorted, with a mask, where the game lists what is possible;
    - one clean command per step, where the agent writes its own.

    A refused command is not sent: it takes a step, pays nothing, and the text says why.

    Args:
        engine: the game.
        max_steps: step limit.
        actions: ``"slots"``: ``Discrete(num_slots)``, the number of a command in ``info["admissible_commands"]``;
            ``"text"``: ``Text``, any command.
        num_slots: numbers there are; commands beyond are left out (feature ``overflow``).
        obs_mode: ``"text"``: a string; ``"dict"``: the arrays ``lines`` int32[64, 16] of hashed words (the text's
            sentences, then the numbered commands), ``line_len`` and ``line_type``, which our networks read.
        features: names reported in ``info["features"]``, ``"all"`` for every one; see ``feature_names``.
        fallback: the command behind number 0 where the game lists none.
        render_mode: ``"ansi"`` or None.

    Features: ``success``, ``failure``, ``valid`` (a command was sent), ``invalid_reason`` (1 not admissible, 2 no
    command, 3 refused by rule), ``progress`` (score over full score, in [0, 1]), ``score``, ``events`` bool[3] (score
    up, score down, refused), ``admissible_count``, ``overflow``, ``state_hash`` and ``obs_hash`` u32[2], and those of
    the adapter.

    ``info``: ``level``, ``success``, ``performance`` (1 on winning), ``score``, ``initial_score``,
    ``admissible_commands``, ``action_mask`` (slots only), ``command`` (what was sent, "" if nothing) and ``features``.

    ``reset(seed=s)`` opens game ``s``; ``reset()`` draws one; ``options={"level": i}`` names one. :meth:`get_state` and
    :meth:`set_state` save and restore a game that repeats itself.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        engine: Engine,
        *,
        max_steps: int = 100,
        actions: str = "slots",
        num_slots: int = 48,
        obs_mode: str = "text",
        features: Sequence[str] | str = (),
        fallback: str = "look",
        render_mode: str | None = None,
    ) -> None:
        if actions not in ("slots", "text") or obs_mode not in ("text", "dict"):
            raise UserError(f"actions are 'slots' or 'text' and obs_mode 'text' or 'dict', not {actions}, {obs_mode}")
        if max_steps < 2 or num_slots < 1:
            raise UserError(f"max_steps must be at least 2 and num_slots at least 1, got {max_steps} and {num_slots}")
        if render_mode not in (None, "ansi"):
            raise UserError(f"text games render as 'ansi', not {render_mode!r}")
        self.engine, self.max_steps, self.num_slots = engine, max_steps, num_slots
        self.by_slot, self.obs_mode, self.render_mode = actions == "slots", obs_mode, render_mode
        self.fallback = fallback
        self.action_space = (
            gym.spaces.Discrete(num_slots)
            if self.by_slot
            else Sentences(max_length=LONGEST_COMMAND, min_length=0, charset=CHARSET)
        )
        self.observation_space = (
            Sentences(max_length=TEXT_LENGTH, min_length=0, charset=CHARSET)
            if obs_mode == "text"
            else gym.spaces.Dict(
                {
                    "lines": gym.spaces.Box(0, WORD_IDS, (LINES, WORDS), np.int32),
                    "line_len": gym.spaces.Box(0, WORDS, (LINES,), np.int8),
                    "line_type": gym.spaces.Box(0, OPTION, (LINES,), np.int8),
                }
            )
        )
        self._features: tuple[str, ...] = ()
        self.enable_features(features)
        self._reply: Reply | None = None
        self._level = -1
        self._sent: list[str] = []  # the commands of this game
        self._last = Last()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that can be reported."""
        return (*COMMON, *self.engine.feature_names)

    @property
    def event_names(self) -> tuple[str, ...]:
        """Names of the bits of the feature ``events``."""
        return EVENTS

    def enable_features(self, names: Sequence[str] | str) -> None:
        """Report these features too from now on.

        Raises:
            UserError: listing what exists.
        """
        asked = self.feature_names if names == "all" else (names,) if isinstance(names, str) else tuple(names)
        unknown = [name for name in asked if name not in self.feature_names]
        if unknown:
            raise UserError(
                f"{self.engine.name} offers no feature {unknown[0]!r}; features: {', '.join(self.feature_names)}"
            )
        self._features = tuple(n for n in self.feature_names if n in asked or n in self._features)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        options = gym_state.check_options(options, ("level",))
        drawn = int(self.np_random.integers(LEVELS)) if seed is None else seed % LEVELS
        self._level = int(options.get("level", drawn))
        self._open()
        return self._observe(), self._info()

    def _open(self) -> None:
        reply = self.engine.start(self._level)
        self._t, self._over, self._refusal = 0, False, Refused(0, "")
        self._sent, self._last = [], Last()
        self._initial = self._score = self._score_of(reply, 0.0)
        self._take(reply)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self._reply is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        if self._over:
            raise gym.error.ResetNeeded("the game is over: call reset()")
        self._t += 1
        command = self._command(action)
        stopped = False
        if isinstance(command, Refused):
            self._refusal, self._last = command, Last()
        else:
            stopped = self._send(command)
        terminated = self._last.won or self._last.lost
        truncated = (stopped or self._t >= self.max_steps) and not terminated
        self._over = terminated or truncated
        return self._observe(), self._last.reward, terminated, truncated, self._info()

    def _send(self, command: str) -> bool:
        """Send a command; whether the engine stopped."""
        self._refusal = Refused(0, "")
        reply = self.engine.send(command)
        self._sent.append(command)
        score = self._score_of(reply, self._score)
        reward, self._score = (score - self._score) / self.engine.full_score, score
        self._last = Last(command, reward, bool(reply.won), bool(reply.lost) and not reply.won)
        self._take(reply)
        return bool(reply.over)

    def get_state(self) -> bytes:
        """Everything needed to go on from here: the game's number and the commands sent so far.

        Raises:
            UserError: the game does not repeat itself, so that no state of it can be restored.
        """
        if self._reply is None:
            raise gym.error.ResetNeeded("call reset() first: there is no state yet")
        return states.dump(self.engine, self._facts(), gym_state.generator_state(self.np_random))

    def set_state(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        """Go on from a saved state; returns observation and info like ``reset``. The game is played again up to there.

        Raises:
            UserError: the bytes are of another game, or the game did not repeat itself; it is to be reset then.
        """
        facts, generator = states.load(self.engine, data)
        self._reply, self._level = None, facts["level"]
        self.np_random = gym_state.generator_from(generator)
        self._open()
        for command in facts["sent"]:
            self._send(command)
        self._t, self._over = facts["steps"], facts["over"]
        self._refusal, self._last = Refused(*facts["refusal"]), Last(*facts["last"])
        found = self._facts()
        if found != facts:
            self._reply = None
            raise UserError(states.not_repeated(self.engine, facts, found))
        return self._observe(), self._info()

    def _facts(self) -> dict[str, Any]:
        assert self._reply is not None
        return {
            "level": self._level,
            "sent": list(self._sent),
            "steps": self._t,
            "over": self._over,
            "refusal": list(self._refusal),
            "last": list(self._last),
            "score": self._score,
            "full_score": self.engine.full_score,
            "shown": hash_of(plain(self._reply.text, TEXT_LENGTH)).tolist(),
            "state": hash_of(str(self._reply.state)).tolist(),
        }

    def action_masks(self) -> np.ndarray:
        """bool[num_slots]: slots that hold a command, under the name that sb3-contrib's MaskablePPO looks up."""
        if self._reply is None:
            raise gym.error.ResetNeeded("call reset() first: there is no game yet")
        return np.arange(self.num_slots) < len(self._slots)

    def render(self) -> str | None:
        return None if self.render_mode is None else self._text()

    def close(self) -> None:
        self.engine.close()

    def _command(self, action: Any) -> str | Refused:
        if not self.by_slot:
            assert self._reply is not None
            return sanitize(action, self.engine, [" ".join(str(c).split()) for c in self._reply.admissible or ()])
        slot = action_index(action, self.num_slots)
        return self._slots[slot] if slot < len(self._slots) else Refused(1, "that is not possible now.")

    def _score_of(self, reply: Reply, before: float) -> float:
        if reply.score is not None:
            return number(reply.score, "score", self.engine)
        return before if reply.reward is None else before + number(reply.reward, "reward", self.engine)

    def _take(self, reply: Reply) -> None:
        self._reply = reply
        self._slots, self._overflow = slots(reply.admissible, self.num_slots, self.fallback)

    def _text(self) -> str:
        assert self._reply is not None
        return plain("\n".join(part for part in (self._refusal.text, self._reply.text) if part), TEXT_LENGTH)

    def _observe(self) -> Any:
        text = self._text()
        if self.obs_mode == "text":
            return text
        options = self._slots if self.by_slot else ()
        return arrays_of([*((line, TASK) for line in sentences(text)), *((line, OPTION) for line in options)])

    def _info(self) -> dict[str, Any]:
        reply, (command, reward, won, lost) = self._reply, self._last
        assert reply is not None
        info: dict[str, Any] = {
            "level": self._level,
            "success": won,
            "performance": float(won),
            "score": self._score,
            "initial_score": self._initial,
            "admissible_commands": self._slots if reply.admissible is not None else (),
            "command": command,
        }
        if self.by_slot:
            info["action_mask"] = self.action_masks().astype(np.int8)
        if self._features:
            offered = {
                "success": won,
                "failure": lost,
                "valid": self._refusal.reason == 0,
                "invalid_reason": np.uint8(self._refusal.reason),
                "progress": np.float32(np.clip(self._score / self.engine.full_score, 0.0, 1.0)),
                "score": np.float32(self._score),
                "events": np.array([reward > 0, reward < 0, self._refusal.reason > 0]),
                "admissible_count": np.int32(len(self._slots)),
                "overflow": self._overflow,
                "state_hash": hash_of(plain(reply.text, TEXT_LENGTH) if reply.state is None else reply.state),
                "obs_hash": hash_of(self._text()),
                **reply.features,
            }
            info["features"] = {name: offered[name] for name in self._features}
        return info


def sentences(text: str) -> list[str]:
    """A text cut into lines of one sentence.

    >>> sentences("You see a box.\\n\\n It is open! Go?")
    ['You see a box.', 'It is open!', 'Go?']
    """
    return [part.strip() for part in re.split(r"\n|(?<=[.!?])\s", text) if part.strip()]


def arrays_of(lines: Sequence[tuple[str, int]]) -> dict[str, np.ndarray]:
    """Sentences and their types as arrays; words are hashed, what does not fit is cut off.

    >>> seen = arrays_of([("go north", 1), ("go", 10)])
    >>> seen["line_len"][:3].tolist(), seen["line_type"][:3].tolist(), bool(seen["lines"][0, 0] == seen["lines"][1, 0])
    ([2, 1, 0], [1, 10, 0], True)
    """
    words, length = np.zeros((LINES, WORDS), np.int32), np.zeros(LINES, np.int8)
    kind = np.zeros(LINES, np.int8)
    for row, (line, which) in enumerate(lines[:LINES]):
        found = re.findall(r"[a-z0-9']+|[^a-z0-9\s]", line.lower())[:WORDS]
        words[row, : len(found)] = [1 + zlib.crc32(word.encode()) % WORD_IDS for word in found]
        length[row], kind[row] = len(found), which
    return {"lines": words, "line_len": length, "line_type": kind}


def hash_of(text: str) -> np.ndarray:
    """u32[2] of a text, the same on every machine."""
    data = text.encode()
    return np.array([zlib.crc32(data), zlib.adler32(data[::-1])], np.uint32)
