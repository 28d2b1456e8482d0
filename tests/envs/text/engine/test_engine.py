"""Vocabulary, templates, flat tokens and the parser, without any task."""

from __future__ import annotations

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardax.envs.language import parser, vocab
from rewardax.envs.language import templates as lines
from rewardax.envs.language.parser import Command

ASSIGNED = [i for i, word in enumerate(vocab.WORDS) if word and i != vocab.PAD]


def test_vocabulary_does_not_import_jax() -> None:
    code = "import sys, rewardax.envs.language.vocab, rewardax.envs.text.presets; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.lists(st.sampled_from(ASSIGNED), max_size=40))
def test_tokenize_inverts_detokenize(ids: list[int]) -> None:
    assert vocab.tokenize(vocab.detokenize(ids)) == ids


def test_vocabulary_is_frozen() -> None:
    """Ids are append-only; change the pinned ones only together with every environment's version."""
    pinned = {"<pad>": 0, "0": 16, ".": 116, "the": 148, "north": 210, "go": 276, "red": 372, "kitchen": 436}
    pinned |= {"box": 468, "apple": 500, "key": 524, "door": 580, "badan": 724, "wall": 788}
    assert {word: vocab.WORD_ID[word] for word in pinned} == pinned
    assert len(vocab.WORDS) == vocab.VOCAB_SIZE and len(vocab.VOCAB_HASH) == 12


@pytest.mark.parametrize(
    "mission",
    [
        "use the key to open the door and then get to the goal",
        "get to the green goal square",
        "put the red ball near the blue box",
        "you must fetch a yellow key",
    ],
)
def test_missions_round_trip(mission: str) -> None:
    ids = vocab.encode(mission, 16)
    assert ids.shape == (16,) and vocab.UNK not in ids
    assert vocab.decode(ids) == mission


def test_encode_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="room for 2"):
        vocab.encode("go to the goal", 2)


def test_templates_check_their_sentences() -> None:
    with pytest.raises(ValueError, match="different slots"):
        lines.Templates({"a": ("the {0}.", "the {1}.", "the {0}.")}, 8)
    with pytest.raises(ValueError, match="not in the vocabulary"):
        lines.Templates({"a": "zyzzyva."}, 8)
    with pytest.raises(ValueError, match="a line holds 3"):
        lines.Templates({"a": "you are in the {0}."}, 3)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(3, 40))
@settings(max_examples=40)
def test_flatten_joins_lines(lengths: list[int], limit: int) -> None:
    rng = np.random.default_rng(sum(lengths) + limit)
    page = np.zeros((len(lengths), 5), np.int32)
    for row, n in enumerate(lengths):
        page[row, :n] = rng.integers(16, 116, n)
    wanted = [int(x) for row, n in zip(page, lengths, strict=True) for x in row[:n]]
    got = lines.flatten(jnp.asarray(page), jnp.asarray(lengths), limit).tolist()
    if len(wanted) <= limit:
        assert got == wanted + [0] * (limit - len(wanted))
    else:
        assert got == [*wanted[: limit - 1], vocab.CUT]


def test_a_game_has_words_of_its_own() -> None:
    """They follow those of the suite, which keep their ids; sentences and templates can use them."""
    game = vocab.Vocabulary(["submarine", "the", "o'clock", "submarine"])
    assert game.more == ("submarine", "o'clock") and game.size == vocab.VOCAB_SIZE + 2
    assert game.words[: vocab.VOCAB_SIZE] == vocab.WORDS
    text = "the submarine is here, at 5 o'clock."
    assert game.tokenize(text)[1] == vocab.VOCAB_SIZE and vocab.tokenize(text)[1] == vocab.UNK
    assert game.detokenize(game.tokenize(text)) == text
    assert lines.Templates({"x": "a submarine."}, 3, game.ids).ids[0, 0].tolist() == [vocab.WORD_ID["a"], 1024, 116]
    for word in ("Submarine", "two words", "dot.", "müsli", ""):
        with pytest.raises(ValueError, match="is not a word"):
            vocab.Vocabulary([word])


def test_hash_depends_on_place_and_value() -> None:
    rows = np.random.default_rng(0).integers(-1, 9, (3000, 20))
    rows = np.unique(rows, axis=0)
    hashes = np.array([lines.hash_words(jnp.asarray(row)) for row in rows[:64]])
    assert len(np.unique(hashes, axis=0)) == 64
    assert len(np.unique(hashes[:, 0])) == 64 and len(np.unique(hashes[:, 1])) == 64


COMMANDS = [
    Command(0, ("go north",), True),
    Command(1, ("go south",), False),
    Command(2, ("open the door to the north", "open the red door"), True),
    Command(3, ("take the red lamp",), True),
    Command(4, ("take the blue lamp",), True),
    Command(5, ("take the red key",), True),
    Command(6, ("put the red key into the blue box",), True),
    Command(7, ("look",), True),
    Command(8, ("inventory",), True),
    Command(9, ("drop the red key",), True),
    Command(10, ("unlock the grey chest",), True),
    Command(11, ("examine the blue box",), True),
]


def read(text: str, tags: str = "optional") -> tuple[int | None, str]:
    return parser.parse(text, COMMANDS, lambda action: f"refused {action}", tags)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("go north", 0),
        ("Walk to the north.", 0),
        ("N", 0),
        ("north", 0),
        ("open door to the north", 2),
        ("open the north door", 2),
        ("open the red door", 2),
        ("pick up the red lamp", 3),
        ("pick the red lamp up", 3),
        ("get blue lamp!", 4),
        ("take key", 5),
        ("place red key in the box", 6),
        ("move the key into the blue box", 6),
        ("insert key into box", 6),
        ("l", 7),
        ("look around", 7),
        ("i", 8),
        ("put down the key", 9),
        ("unlock the chest with the grey key", 10),
        ("look at the box", 11),
        ("I think it is best. <action>take the red key</action>", 5),
        ("<action>look</action> or <action>inventory</action>", 8),
    ],
)
def test_synonyms(text: str, action: int) -> None:
    assert read(text) == (action, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", parser.NOT_A_COMMAND),
        ("dance", parser.NOT_A_COMMAND),
        ("go", parser.NOT_A_COMMAND),
        ("go home", parser.NOT_A_COMMAND),
        ("take", parser.NOT_A_COMMAND),
        ("take the green lamp", parser.NOT_HERE),
        ("take lamp", parser.WHICH),
        ("go south", "refused 1"),
        ("take key then go north", parser.ONE_AT_A_TIME),
        ("take key and go north", parser.ONE_AT_A_TIME),
        ("take key. go north", parser.ONE_AT_A_TIME),
        ("take key\ngo north", parser.ONE_AT_A_TIME),
    ],
)
def test_refusals_are_specific(text: str, reason: str) -> None:
    assert read(text) == (None, reason)


@pytest.mark.parametrize(
    "text",
    [
        "Action: take key",
        "Thought: I need it.\nAction: take key\nReason: then I can unlock the chest",
        '{"thought": "go north later", "action": "take key"}',
        '```json\n{"command": "take key"}\n```',
        "I need the key to unlock the chest.\ntake key",
        "I need it. Take the key!",
        "take key because I need it to unlock the chest",
        "take the key (it fits)",
        "take key - it fits",
        "take key, since it fits. I hope so.",
    ],
)
def test_what_models_write_around_a_command(text: str) -> None:
    assert read(text) == (5, "")
    assert read(text, "none")[0] is None


@pytest.mark.parametrize(
    "text",
    [
        "take key" + " " * 300 + "and then go north",
        "take key because it fits" + " and fits" * 40 + ". go north",
        "Action: take key\nAction: go north",
        "Action: take key\ngo north",
        '{"action": ["take key", "go north"]}',
        "take key (then go north)",
        "take key, next go north",
    ],
)
def test_a_second_command_is_found_wherever_it_stands(text: str) -> None:
    assert read(text) == (None, parser.ONE_AT_A_TIME)


def test_tags() -> None:
    assert read("take key", "required") == (None, parser.NO_TAGS)
    assert read("<action>take key</action>", "required") == (5, "")
    assert read("<action>take key", "required") == (None, parser.NO_TAGS)
    assert read("<action>take key</action>", "none")[0] is None


def test_parser_knows_tools_and_places_beside_the_thing() -> None:
    """Adjectives of either noun may be left out, but the tool alone does not stand for the thing."""
    commands = [
        Command(0, ("take the red lamp from the blue box",), True),
        Command(1, ("heat the red lamp with the grey stove",), True),
        Command(2, ("go to the grey stove",), True),
    ]

    def read(text: str) -> tuple[int | None, str]:
        return parser.parse(text, commands, lambda action: "", verbs=("take", "heat", "go"))

    assert read("take the lamp from the box") == (0, "") == read("take the red lamp from the box")
    assert read("heat the lamp with the stove") == (1, "") and read("go to the stove") == (2, "")
    assert read("take the box") == read("heat the stove") == (None, parser.NOT_HERE)
    assert read("go to the moon") == (None, parser.NOT_HERE), "here places have names"
    assert parser.parse("go to the moon", commands[:2], lambda action: "") == (None, parser.NOT_A_COMMAND)


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: b.decode("latin-1"))))
@settings(max_examples=200)
def test_parser_never_raises(text: str) -> None:
    for tags in ("required", "optional", "none"):
        action, reason = read(text, tags)
        assert (action is None) == bool(reason)
        assert read(text, tags) == (action, reason)


SALAD = ["go", "take", "put", "into", "the", "door", "lamp", "key", "red", "north", "unlock", "with", "pick", "up"]


@given(st.lists(st.sampled_from(SALAD)))
def test_parser_survives_word_salad(words: list[str]) -> None:
    action, reason = read(" ".join(words))
    assert (action is None) == bool(reason)
