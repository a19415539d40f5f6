"""Stretches of a text as token ids: the feature style ``language``. The tokenizer is learnt from training rows only.

A row is ``[context, text]``: ids of the context are written as negative numbers (read, not predicted), those of the
text as they are. Where a text has no context, padding stands before it, as the sign of a beginning.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Part, Schema, Target
from trainwright.data.language import CONTEXT, TEXT
from trainwright.data.pretrained_tokenizer import read_pretrained
from trainwright.data.token_features import read_as, tokenizer_options
from trainwright.data.tokenizers import UNKNOWN, Tokenizer, TokenizerKind, tokenizer_from_json, train_tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.features import Features

_FORMAT = 1
_FACTS = "features.json"
_MOST_CHARACTERS = 256  # assumption: with more different characters than bytes have values, byte pairs serve better
_VOCABULARY = 1_024  # assumption: what a small model can learn from a megabyte of text
_SMALLEST_PAIRS = 258
_LOOKED_AT = 100  # assumption: a tokenizer that loses something loses it in one of a hundred stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFeatures:
    """Token ids of stretches and of what comes before them; ``length`` is the number of ids of a row."""

    tokenizer: Tokenizer
    length: int
    findings: tuple[Finding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Context and text: a report speaks of them, not of positions."""
        return (CONTEXT, TEXT)

    @property
    def columns(self) -> tuple[str, ...]:
        """The same two."""
        return (CONTEXT, TEXT)

    @property
    def categorical(self) -> tuple[int, ...]:
        """None: positions hold ids, not categories."""
        return ()

    @property
    def category_sizes(self) -> tuple[int, ...]:
        """None."""
        return ()

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        return self.tokenizer.vocabulary

    @property
    def style(self) -> FeatureStyle:
        """``language``."""
        return "language"

    def transform(self, frame: "pd.DataFrame") -> "np.ndarray":
        """Rows as int32 ids, shape (rows, length): as much context as fits (negative), the text, padding behind.

        Raises:
            DataRefused: a text has more tokens than the model reads.
        """
        import numpy as np

        X = np.zeros((len(frame), self.length), dtype=np.int32)
        for at, (context, text) in enumerate(zip(frame[CONTEXT].tolist(), frame[TEXT].tolist(), strict=True)):
            ids, before = self.tokenizer.encode(text), self.tokenizer.encode(context)
            room = self.length - len(ids)
            if room < 1:
                raise DataRefused(
                    f"row {at} has {len(ids)} tokens in {len(text)} characters, and the model reads {self.length - 1} "
                    "at a time: its script is unlike the training text's. Use a model with tokenizer: char."
                )
            kept = -before[max(0, len(before) - room) :]
            start = max(len(kept), 1)  # without context, one padding stands for the beginning
            X[at, : len(kept)] = kept
            X[at, start : start + len(ids)] = ids
        return X

    def save(self, folder: Path) -> None:
        """Write ``features.json`` into an existing folder; equal features give equal bytes."""
        facts = {
            "format": _FORMAT,
            "style": self.style,
            "length": self.length,
            "tokenizer": self.tokenizer.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }
        (folder / _FACTS).write_text(dumps(facts, indent=1) + "\n", encoding="utf-8")


def fit(
    part: Part, schema: Schema, target: Target, *, style: FeatureStyle, seeds: Seeds, options: Mapping[str, JsonValue]
) -> "tuple[Features, np.ndarray]":
    """Learn a tokenizer from one part's text, and give its matrix; a row is as long as its longest needs.

    ``options``: ``tokenizer`` (auto, char, bpe, or pretrained with its ``file``) and ``vocabulary`` (ids at most, byte
    pairs only).
    """
    texts = part.frame[TEXT].tolist()
    tokenizer = _tokenizer(texts, options)
    longest = max(
        max(len(tokenizer.encode(context)), 1) + len(tokenizer.encode(text))
        for context, text in zip(part.frame[CONTEXT].tolist(), texts, strict=True)
    )
    features = LanguageFeatures(tokenizer=tokenizer, length=longest, findings=())
    X = features.transform(part.frame)
    lost = _lost(texts, tokenizer) if tokenizer.kind == "pretrained" else _unknown(X)
    findings = (_described(tokenizer, longest), *lost)
    features = LanguageFeatures(tokenizer=tokenizer, length=longest, findings=findings)
    return cast("Features", features), X


def load(folder: Path, facts: Mapping[str, JsonValue]) -> "Features":
    """Read what `LanguageFeatures.save` wrote; the caller turns what goes wrong into a refusal."""
    stored = json.loads(dumps(facts))
    features = LanguageFeatures(
        tokenizer=tokenizer_from_json(stored["tokenizer"]),
        length=int(stored["length"]),
        findings=tuple(finding_from_json(one) for one in stored["findings"]),
    )
    if features.length < 2:
        raise ValueError(f"{folder} holds rows that predict nothing")
    return cast("Features", features)


def _tokenizer(texts: list[str], options: Mapping[str, JsonValue]) -> Tokenizer:
    if options.get("tokenizer") == "pretrained":
        return read_pretrained(Path(str(options["file"])), specials=False)
    auto = options.get("tokenizer", "auto") == "auto"
    different = len(set().union(*texts)) if texts else 0
    chosen: TokenizerKind = "char" if different <= _MOST_CHARACTERS else "bpe"
    given = {name: value for name, value in options.items() if not (auto and name == "tokenizer")}
    kind, vocabulary = tokenizer_options(given, default=chosen, vocabulary=_VOCABULARY)
    if kind == "word":
        raise DataRefused("a language model must be able to spell every text. Use tokenizer: char or bpe.")
    if kind == "char":
        vocabulary = different + _SMALLEST_PAIRS  # every character of the training text is known
    return train_tokenizer(["".join(texts)], kind=kind, vocabulary=max(vocabulary, _SMALLEST_PAIRS))


def _described(tokenizer: Tokenizer, length: int) -> Finding:
    unseen = ""
    if tokenizer.kind == "char":
        unseen = "A character that training never met is scored as one unknown token, whichever it is."
    return Finding(
        code="data.tokenizer",
        severity=Severity.INFO,
        where=TEXT,
        what=f"the text is read as {read_as(tokenizer, 'part')}, {length - 1} at a time",
        why=unseen,
        evidence={"tokenizer": tokenizer.kind, "vocabulary": tokenizer.vocabulary, "length": length},
    )


def _lost(texts: list[str], tokenizer: Tokenizer) -> list[Finding]:
    """Stretches that a checkpoint's tokenizer does not give back: lower case, unknown characters."""
    looked = texts[:_LOOKED_AT]
    lost = sum(tokenizer.decode(tokenizer.encode(text).tolist()) != text for text in looked)
    if not lost:
        return []
    return [
        Finding(
            code="data.tokenizer_loses",
            severity=Severity.WARNING,
            where=TEXT,
            what=f"{lost} of {len(looked)} stretches are not what they were after encoding and decoding",
            why="The model predicts a simpler text than the one it is judged on, which flatters it.",
            fix="Use a tokenizer of bytes, or leave tokenizer.json out to learn one",
            evidence={"stretches": lost, "looked": len(looked)},
        )
    ]


def _unknown(X: "np.ndarray") -> list[Finding]:
    unknown = int((abs(X) == UNKNOWN).sum())
    if not unknown:
        return []
    return [
        Finding(
            code="data.unknown_characters",
            severity=Severity.WARNING,
            where=TEXT,
            what=f"{unknown} characters of the training text have no id of their own",
            why="They are scored as one and the same unknown character, which flatters the model.",
            evidence={"characters": unknown},
        )
    ]
