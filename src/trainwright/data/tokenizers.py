"""Tokenizers that are learnt from training texts: characters, words, or byte pairs. Stored as JSON, no code.

Token id 0 is padding and 1 is what the vocabulary does not know; both are never learnt. Training is a function of the
texts and their order: equal counts are decided by spelling.
"""

import heapq
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast, get_args

from trainwright.core.jsonable import JsonValue

if TYPE_CHECKING:
    import numpy as np

TokenizerKind: TypeAlias = Literal["char", "word", "bpe", "pretrained"]
KINDS: tuple[str, ...] = get_args(TokenizerKind)
"""All but the last are learnt; that one is `trainwright.data.pretrained_tokenizer`."""

PAD, UNKNOWN = 0, 1
FIRST = 2
"""The first id that stands for text."""

BYTES = 256
_MOST_TEXT = 5_000_000  # assumption: characters that pairs are counted on; more change the merges little
_LONGEST_PIECE = 32  # assumption: no word is longer; keeps a line of a megabyte without spaces from being one word
# Pieces that merges stay inside: a word or a run of signs with the space before it, as in Radford et al. 2019 (GPT-2).
_PIECES = re.compile(
    rf" ?[^\W\d_]{{1,{_LONGEST_PIECE}}}| ?\d{{1,3}}| ?[^\w\s]{{1,{_LONGEST_PIECE}}}|\s{{1,{_LONGEST_PIECE}}}|_"
)
_WORDS = re.compile(r"\w+|[^\w\s]")
_CACHED = 100_000  # assumption: pieces whose ids are kept; texts repeat few


class Tokenizer(Protocol):
    """From text to token ids and back."""

    @property
    def kind(self) -> TokenizerKind: ...
    @property
    def vocabulary(self) -> int:
        """Number of ids, padding and unknown among them: ids are below it."""
        ...

    def encode(self, text: str) -> "np.ndarray":
        """The ids of a text, int32 of shape (tokens,)."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """A text for ids; unknown ones become U+FFFD, padding nothing."""
        ...

    def to_json(self) -> dict[str, JsonValue]:
        """The form `tokenizer_from_json` reads back."""
        ...


@dataclass(frozen=True, slots=True)
class Characters:
    """One id a character (code point). ``characters`` are the known ones, ascending: id 2 is the first."""

    characters: str
    kind: TokenizerKind = "char"
    _codes: "np.ndarray" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the code points as an array, for lookups."""
        object.__setattr__(self, "_codes", _code_points(self.characters))

    @property
    def vocabulary(self) -> int:
        """Padding, unknown, and the known characters."""
        return FIRST + len(self.characters)

    def encode(self, text: str) -> "np.ndarray":
        """One id a character."""
        import numpy as np

        given = _code_points(text)
        if not len(self._codes):
            return np.full(len(given), UNKNOWN, dtype=np.int32)
        at = np.minimum(np.searchsorted(self._codes, given), len(self._codes) - 1)
        return np.where(self._codes[at] == given, at + FIRST, UNKNOWN).astype(np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The characters."""
        known = len(self.characters)
        return "".join(self.characters[i - FIRST] if FIRST <= i < FIRST + known else "\ufffd" for i in ids if i != PAD)

    def to_json(self) -> dict[str, JsonValue]:
        """Kind and characters."""
        return {"kind": self.kind, "characters": self.characters}


@dataclass(frozen=True, slots=True)
class Words:
    """One id a word or sign, in lower case; id 2 is the commonest."""

    words: tuple[str, ...]
    kind: TokenizerKind = "word"
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Number the words."""
        object.__setattr__(self, "_ids", {word: i for i, word in enumerate(self.words, start=FIRST)})

    @property
    def vocabulary(self) -> int:
        """Padding, unknown, and the known words."""
        return FIRST + len(self.words)

    def encode(self, text: str) -> "np.ndarray":
        """One id a word or sign; spaces are not kept."""
        import numpy as np

        ids = self._ids
        return np.array([ids.get(word, UNKNOWN) for word in _words(text)], dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The words with a space between."""
        known = len(self.words)
        return " ".join(self.words[i - FIRST] if FIRST <= i < FIRST + known else "\ufffd" for i in ids if i != PAD)

    def to_json(self) -> dict[str, JsonValue]:
        """Kind and words."""
        return {"kind": self.kind, "words": list(self.words)}


@dataclass(frozen=True, slots=True)
class BytePairs:
    """Byte-level byte pair encoding (Sennrich et al. 2016, bytes as in Radford et al. 2019): nothing is unknown.

    Ids 2..257 are bytes; id 258 + i is the pair of ids ``merges[i]``.
    """

    merges: tuple[tuple[int, int], ...]
    kind: TokenizerKind = "bpe"
    _ranks: dict[tuple[int, int], int] = field(init=False, repr=False, compare=False)
    _cache: dict[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Number the merges."""
        object.__setattr__(self, "_ranks", {pair: i for i, pair in enumerate(self.merges)})
        object.__setattr__(self, "_cache", {})

    @property
    def vocabulary(self) -> int:
        """Padding, unknown (never used), 256 bytes, and the merges."""
        return FIRST + BYTES + len(self.merges)

    def encode(self, text: str) -> "np.ndarray":
        """The ids of the text's bytes, merged."""
        import numpy as np

        ids: list[int] = []
        for piece in _PIECES.findall(text):
            ids.extend(self._piece(piece))
        return np.array(ids, dtype=np.int32)

    def _piece(self, piece: str) -> tuple[int, ...]:
        found = self._cache.get(piece)
        if found is None:
            found = _merged(_bytes_of(piece), self._ranks)
            if len(self._cache) < _CACHED:
                self._cache[piece] = found
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """The text; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self._bytes(i) for i in ids if i >= FIRST).decode("utf-8", errors="replace")

    def _bytes(self, one: int) -> bytes:
        if one < FIRST + BYTES:
            return bytes([one - FIRST])
        left, right = self.merges[one - FIRST - BYTES]
        return self._bytes(left) + self._bytes(right)

    def to_json(self) -> dict[str, JsonValue]:
        """Kind and merges."""
        return {"kind": self.kind, "merges": [list(pair) for pair in self.merges]}


def train_tokenizer(texts: Sequence[str], *, kind: TokenizerKind, vocabulary: int) -> Tokenizer:
    """Learn a tokenizer of at most ``vocabulary`` ids from texts (``bpe`` has at least 258: all bytes are in)."""
    if kind == "char":
        return _train_characters(texts, vocabulary)
    if kind == "word":
        return _train_words(texts, vocabulary)
    return _train_pairs(texts, vocabulary)


def tokenizer_from_json(stored: Mapping[str, JsonValue]) -> Tokenizer:
    """Read what `Tokenizer.to_json` gave.

    Raises:
        ValueError: it is none, or its ids do not hold together.
        KeyError: a field is missing.
    """
    kind = stored["kind"]
    if kind == "char":
        characters = str(stored["characters"])
        if list(characters) != sorted(set(characters)):
            raise ValueError("the characters of the tokenizer are not ascending")
        return Characters(characters)
    if kind == "pretrained":
        from trainwright.data.pretrained_tokenizer import Pretrained

        return Pretrained(str(stored["text"]), specials=bool(stored["specials"]))
    if kind == "word":
        return Words(tuple(str(word) for word in cast("list[str]", stored["words"])))
    if kind != "bpe":
        raise ValueError(f"unknown tokenizer {kind!r}")
    merges = tuple((int(a), int(b)) for a, b in cast("list[list[int]]", stored["merges"]))
    for number, pair in enumerate(merges):
        if not all(FIRST <= one < FIRST + BYTES + number for one in pair):
            raise ValueError(f"merge {number} of the tokenizer joins ids that do not exist yet")
    return BytePairs(merges)


def _code_points(text: str) -> "np.ndarray":
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.lower())


def _bytes_of(piece: str) -> list[int]:
    return [byte + FIRST for byte in piece.encode("utf-8", errors="surrogatepass")]


def _train_characters(texts: Sequence[str], vocabulary: int) -> Characters:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    commonest = sorted(counts, key=lambda c: (-counts[c], c))[: max(vocabulary - FIRST, 0)]
    return Characters("".join(sorted(commonest)))


def _train_words(texts: Sequence[str], vocabulary: int) -> Words:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_words(text))
    known = [word for word in counts if counts[word] > 1] or list(counts)  # a word seen once teaches nothing
    return Words(tuple(sorted(known, key=lambda w: (-counts[w], w))[: max(vocabulary - FIRST, 0)]))


def _train_pairs(texts: Sequence[str], vocabulary: int) -> BytePairs:
    counts: Counter[str] = Counter()
    read = 0
    for text in texts:
        counts.update(_PIECES.findall(text))
        read += len(text)
        if read > _MOST_TEXT:
            break
    pieces = sorted(counts)
    return BytePairs(
        _learn_merges([_bytes_of(p) for p in pieces], [counts[p] for p in pieces], vocabulary - FIRST - BYTES)
    )


def _learn_merges(pieces: list[list[int]], counts: list[int], wanted: int) -> tuple[tuple[int, int], ...]:
    """The commonest pair becomes an id, again and again; only the pieces that hold it are looked at anew."""
    totals: Counter[tuple[int, int]] = Counter()
    where: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for at, piece in enumerate(pieces):
        for pair in itertools.pairwise(piece):
            totals[pair] += counts[at]
            where[pair].add(at)
    heap = [(-total, pair) for pair, total in totals.items()]
    heapq.heapify(heap)
    merges: list[tuple[int, int]] = []
    while heap and len(merges) < wanted:
        total, best = heapq.heappop(heap)
        if totals[best] != -total:  # counted anew since it was pushed
            continue
        if -total < 2:  # a pair that occurs once says nothing about other texts
            break
        new = FIRST + BYTES + len(merges)
        merges.append(best)
        for pair in _replace(pieces, counts, best, new, totals, where):
            if totals[pair] > 0:
                heapq.heappush(heap, (-totals[pair], pair))
    return tuple(merges)


def _replace(
    pieces: list[list[int]],
    counts: list[int],
    best: tuple[int, int],
    new: int,
    totals: "Counter[tuple[int, int]]",
    where: "defaultdict[tuple[int, int], set[int]]",
) -> set[tuple[int, int]]:
    """Join a pair wherever it stands; gives the pairs whose totals changed."""
    changed: set[tuple[int, int]] = set()
    for at in where.pop(best):
        piece, count = pieces[at], counts[at]
        for pair in itertools.pairwise(piece):
            totals[pair] -= count
            changed.add(pair)
        joined = _join(piece, best, new)
        pieces[at] = joined
        for pair in itertools.pairwise(joined):
            totals[pair] += count
            where[pair].add(at)
            changed.add(pair)
    totals.pop(best, None)
    changed.discard(best)
    return changed


def _join(piece: Sequence[int], pair: tuple[int, int], new: int) -> list[int]:
    joined: list[int] = []
    at, end = 0, len(piece)
    while at < end:
        if at + 1 < end and piece[at] == pair[0] and piece[at + 1] == pair[1]:
            joined.append(new)
            at += 2
        else:
            joined.append(piece[at])
            at += 1
    return joined


def _merged(piece: list[int], ranks: Mapping[tuple[int, int], int]) -> tuple[int, ...]:
    """Apply the merges in the order they were learnt."""
    none = len(ranks)
    while len(piece) > 1:
        best = min(itertools.pairwise(piece), key=lambda pair: ranks.get(pair, none))
        rank = ranks.get(best, none)
        if rank == none:
            break
        piece = _join(piece, best, FIRST + BYTES + rank)
    return tuple(piece)
