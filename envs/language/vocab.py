"""The one vocabulary of the suite: one word is one id.

Ids live in reserved ranges and are append-only: a later release may fill free ids, never move one.
Detokenizing is total and canonical (lower-case words joined by one space, none before ``. , : ; ?``), hence
``tokenize(detokenize(ids)) == ids`` for every sequence of assigned ids other than padding. No JAX in here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from rewardax.base.errors import UserError

VOCAB_SIZE = 1024
PAD, UNK, BOS, EOS, SEP, MASK, YES, NO, BAD, CUT = range(10)

_FIRST = ("ba", "ke", "lo", "mi", "nu", "ra", "so", "ti")
_SECOND = ("dan", "fel", "gor", "lin", "mur", "nix", "pol", "vam")

# {first id: words}; each range ends where the next one of `_ENDS` begins
_RANGES: dict[int, str] = {
    # special
    0: """
        <pad> <unk> <bos> <eos> <sep> <mask> <yes> <no> <bad> <cut>
    """,
    16: " ".join(map(str, range(100))),  # numbers
    # punctuation and operators
    116: """
        . , : ; ? ( ) [ ] + - * / = < > # @ $ %
    """,
    # function words, directions, question words
    148: """
        the a an of in on at to into onto from with without by for as than then and or not no is are was be
        you your it its this that these those here there nothing something one another other each every all
        any some same both i me my we they them their who what which where when why how north east south
        west up down left right forward back ahead away out off inside outside under over between next near
        behind through along but if else while until before after now still already again also only too much
        many more less most least first last so can cannot must may will do does did have has had hundred
        thousand time step steps ago around earlier
    """,
    # verbs and feedback words
    276: """
        go walk move take get pick put place drop open close lock unlock look examine read eat cook fry
        roast grill slice dice chop prepare wait use find search carry bring hold give turn toggle push pull
        press click buy answer submit run set show revert skip list judge clean heat cool measure mix pour
        focus grow water melt boil freeze reach traverse fetch avoid unblock see know need want leads lies
        stands contains happens fits changes passes picked opened unlocked made moved stays make done won
        lost carrying walked nowhere shows
    """,
    # colors first, then other adjectives
    372: """
        red green blue purple yellow grey white black brown pink silver golden tiny small big large huge
        wooden stone glass copper brass bronze iron steel closed locked empty full hot cold warm dirty wet
        dry old new different useful useless round square heavy light dark bright true false good wrong dead
        narrow plain long short possible missing ready shut alike
    """,
    # rooms
    436: """
        kitchen pantry bedroom bathroom library study cellar attic garage garden hallway lounge office
        workshop laundry nursery gallery chapel cloakroom courtyard balcony terrace greenhouse studio vault
        parlour playroom lobby stable barn corridor yard
    """,
    # furniture and receptacles
    468: """
        box chest cabinet drawer crate trunk cupboard safe table shelf basket fridge microwave sink stove
        counter desk bed sofa barrel bench tray bowl jar bucket wardrobe dresser well oven stand rack vase
    """,
    # foods
    500: """
        apple banana pear lemon carrot potato onion tomato pepper cabbage bread cheese egg milk fish chicken
        rice corn honey sugar salt flour butter soup
    """,
    # tools and keys
    524: """
        key knife hammer saw rope lamp candle torch brush broom spoon fork pan pot kettle shovel ladder
        needle bell lantern compass whistle mirror comb
    """,
    # science
    548: """
        thermometer paint cup plant seed soil bee ice steam substance liquid metal magnet wire battery solid gas
        degrees freezer juice oil wax chocolate ant frog worm spider flower sprout clay watering alive
    """,
    # miscellaneous
    580: """
        door room coin exit end way hands inventory command thing things task rooms object opening ball
    """,
    596: """
        chair handmade waterproof foldable sturdy striped antique painted shop page previous result results details
        choose chosen comes costs coins price pay bought searched
    """,  # shops
    # code: file stems, definitions, tests
    660: """
        parser lexer router session config logger queue storage schema client worker metrics scheduler exporter
        importer cache
    """,
    676: """
        timeout retries capacity depth width height priority interval margin threshold batch delay weight factor
        rate window precision stride rank quota budget offset padding limit
    """,
    708: """
        startup shutdown roundtrip overflow ordering encoding login upload download rollback recovery migration
    """,
    724: " ".join(a + b for a in _FIRST for b in _SECOND),  # invented names
    # grid glyphs
    788: """
        wall floor goal agent lava tile start player hole checkpoint button crossing unseen
        face cells free fall bump level starts screen picture opens closes
    """,
    # further words of code tasks
    820: """
        file files definition documentation says should test tests fail failed pass patch restore value skipped
        bug fix fails because
    """,
    840: """
        plate mug book pen phone newspaper middle such
    """,  # households
    860: """
        cookbook recipe meal sliced diced chopped fried roasted grilled ruined ruin fresh
    """,  # cooking
    872: """
        melting point melts above minus needs soft nail mouse focused
    """,  # science
    900: """
        wood sand wool ore straw thread cloth felt paper ink glue mortar canvas charcoal part parts craft discard
    """,  # crafts
    920: """
        teacher friend neighbour rival doctor hero rumour question questions document notes judged
        ask answers guess yes somebody thinks user wants talk weather colour size
    """,  # questions and facts
    944: """
        subtract multiply divide numbers number four equal
        pulls pays arm arms name steady careful gentle lively daring reckless
        partner share shares keep keeps promise
    """,  # games of numbers and choices
    968: """
        report sentence sentences sales rose fell sold went write about could add remove ignore marks deserves
        best always everything work future reader thank opinions market surprises said
    """,  # reports
    996: """
        matching stored row column second
    """,  # grids in sentences
}
_ENDS = (
    *(16, 116, 148, 276, 372, 436, 468, 500, 524, 548, 580, 596, 660, 676, 708, 724, 788, 820),
    *(840, 860, 872, 900, 920, 944, 968, 996, 1024),
)


def _build() -> tuple[str, ...]:
    words = [""] * VOCAB_SIZE
    for (low, text), high in zip(_RANGES.items(), _ENDS, strict=True):
        entries = text.split()
        if len(entries) > high - low:
            raise AssertionError(f"vocabulary range {low}-{high} holds {high - low} words, got {len(entries)}")
        words[low : low + len(entries)] = entries
    return tuple(words)


WORDS: tuple[str, ...] = _build()  # "" marks a free id
WORD_ID: dict[str, int] = {word: i for i, word in enumerate(WORDS) if word}
if len(WORD_ID) != sum(map(bool, WORDS)):
    raise AssertionError("a word stands twice in the vocabulary")
COLORS, ROOMS, DIRECTIONS = WORDS[372:384], WORDS[436:468], ("north", "east", "south", "west")
NAMES = WORDS[724:788]  # invented
# first ids of ranges that sentences count in
NUMBER, WAY, COLOR, ROOM, NAME = (WORD_ID[words[0]] for words in ("0", DIRECTIONS, COLORS, ROOMS, NAMES))
VOCAB_HASH = hashlib.sha256("\n".join(WORDS).encode()).hexdigest()[:12]

_PIECE = re.compile(r"[.,:;?]|[^\s.,:;?]+")
_TIGHT = frozenset(".,:;?")


class Vocabulary:
    """The words of the suite and, from id 1024 on, further ones of a single game.

    ``words`` lists all by id, ``ids`` is its inverse, ``size`` is one more than the largest id. Words that the suite
    has keep their ids; words with capitals, blanks, marks or characters beyond ASCII are a ``UserError``.

    >>> game = Vocabulary(["submarine"])
    >>> game.tokenize("the submarine is here"), game.size
    ([148, 1024, 170, 182], 1025)
    >>> game.detokenize([148, 1024, 116])
    'the submarine.'
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self.more = tuple(dict.fromkeys(word for word in more if word not in WORD_ID))
        for word in self.more:
            if not _PIECE.fullmatch(word) or word != word.lower() or not word.isascii() or not word.isprintable():
                raise UserError(f"{word!r} is not a word: lower-case ASCII without blanks and . , : ; ?")
        self.words = WORDS + self.more
        self.ids = WORD_ID | {word: VOCAB_SIZE + i for i, word in enumerate(self.more)}
        self.size = len(self.words)

    def tokenize(self, text: str) -> list[int]:
        """Ids of a text; unknown words become ``<unk>`` (1)."""
        return [self.ids.get(piece, UNK) for piece in _PIECE.findall(text.lower())]

    def detokenize(self, ids: Iterable[int]) -> str:
        """Canonical text of a sequence of ids; padding (0) is dropped."""
        out = ""
        for i in ids:
            word = self.words[int(i)] or "<unk>"
            if int(i) != PAD:
                out += word if not out or word in _TIGHT else " " + word
        return out


SUITE = Vocabulary()


def tokenize(text: str) -> list[int]:
    """Ids of a text; words that are not in the vocabulary become ``<unk>`` (1).

    >>> tokenize("Go east.") == [WORD_ID["go"], WORD_ID["east"], WORD_ID["."]]
    True
    """
    return SUITE.tokenize(text)


def detokenize(ids: Iterable[int]) -> str:
    """Canonical text of a sequence of ids; padding (0) is dropped.

    >>> detokenize(tokenize("The red key is here, in the box."))
    'the red key is here, in the box.'
    """
    return SUITE.detokenize(ids)


def encode(sentence: str, length: int) -> np.ndarray:
    """Ids of a sentence, padded with 0: int32[length]. Too many words are a ``UserError``.

    >>> encode("get to the goal", 6).tolist()[4:]
    [0, 0]
    """
    ids = tokenize(sentence)
    if len(ids) > length:
        raise UserError(f"{sentence!r} has {len(ids)} words, room for {length}; give a larger `length`")
    out = np.zeros(length, np.int32)
    out[: len(ids)] = ids
    return out


def decode(ids: Iterable[int]) -> str:
    """Inverse of :func:`encode`.

    >>> decode(encode("use the key to open the door and then get to the goal", 16))
    'use the key to open the door and then get to the goal'
    """
    return detokenize(ids)
