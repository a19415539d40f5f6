"""Texts as token ids: the feature style ``tokens``. The tokenizer is learnt from training rows only."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Kind, Part, Schema, Target
from trainwright.data.pretrained_tokenizer import Pretrained, read_pretrained
from trainwright.data.tokenizers import KINDS, PAD, Tokenizer, TokenizerKind, tokenizer_from_json, train_tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.features import Features

_FORMAT = 1
_FACTS = "features.json"
_SHARE = 0.99  # with `length: auto`, this share of the training texts is kept whole
_LONGEST = 512  # assumption: the tokens `auto` allows at most, as in BERT; attention grows with their square
_VOCABULARY = 4_096  # measured on sms_spam: validation ROC AUC is flat from 2,000 to 8,000


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFeatures:
    """Token ids of the text columns, joined by a separator id where there are several.

    ``length`` is the number of ids of a row; longer texts lose their end, shorter ones are padded on the right.
    """

    columns: tuple[str, ...]
    tokenizer: Tokenizer
    length: int
    findings: tuple[Finding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The text columns: a report speaks of them, not of positions."""
        return self.columns

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
        """Number of ids; the separator is the last one."""
        return self.tokenizer.vocabulary + (len(self.columns) > 1 and not isinstance(self.tokenizer, Pretrained))

    @property
    def style(self) -> FeatureStyle:
        """``tokens``."""
        return "tokens"

    def transform(self, frame: "pd.DataFrame") -> "np.ndarray":
        """Rows of a canonical frame as int32 ids, shape (rows, length); a row without text is all padding."""
        return padded(_encoded(frame, self.columns, self.tokenizer), self.length, self.tokenizer)

    def save(self, folder: Path) -> None:
        """Write ``features.json`` into an existing folder; equal features give equal bytes."""
        facts = {
            "format": _FORMAT,
            "style": self.style,
            "columns": self.columns,
            "length": self.length,
            "tokenizer": self.tokenizer.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }
        (folder / _FACTS).write_text(dumps(facts, indent=1) + "\n", encoding="utf-8")


def fit(
    part: Part, schema: Schema, target: Target, *, style: FeatureStyle, seeds: Seeds, options: Mapping[str, JsonValue]
) -> "tuple[Features, np.ndarray]":
    """Learn a tokenizer and a length from one part's texts, and give its matrix.

    ``options``: ``tokenizer`` (char, word, bpe, or pretrained with its ``file``), ``vocabulary`` (ids at most),
    ``length`` (auto, or a number) and ``longest`` (what auto may take at most).

    Raises:
        DataRefused: the table has no text column, or no text in it.
        ArtifactRefused: the file holds no tokenizer.
    """
    columns = tuple(c.name for c in schema.features if c.kind is Kind.TEXT)
    if not columns:
        raise DataRefused(
            "a model of texts needs a text column, and the table has none. "
            "Name it under data.columns.text, or choose another model_type."
        )
    texts = [text for name in columns for text in part.frame[name].dropna().tolist()]
    if not any(text.strip() for text in texts):
        raise DataRefused(f"the text column {columns[0]!r} holds no text in the training rows.")
    tokenizer = _tokenizer(texts, options)
    rows = _encoded(part.frame, columns, tokenizer)
    length = _length(rows, options.get("length", "auto"), int(str(options.get("longest", _LONGEST))))
    findings = [_described(columns, tokenizer, length), *_cut(columns, rows, length), *_ignored(schema, columns)]
    features = TokenFeatures(columns=columns, tokenizer=tokenizer, length=length, findings=tuple(findings))
    return cast("Features", features), padded(rows, length, tokenizer)


def load(folder: Path, facts: Mapping[str, JsonValue]) -> "Features":
    """Read what `TokenFeatures.save` wrote; the caller turns what goes wrong into a refusal."""
    stored = json.loads(dumps(facts))
    features = TokenFeatures(
        columns=tuple(str(name) for name in stored["columns"]),
        tokenizer=tokenizer_from_json(stored["tokenizer"]),
        length=int(stored["length"]),
        findings=tuple(finding_from_json(one) for one in stored["findings"]),
    )
    if features.length < 1 or not features.columns:
        raise ValueError(f"{folder} names no column, or rows without tokens")
    return cast("Features", features)


def tokenizer_options(
    options: Mapping[str, JsonValue], *, default: TokenizerKind, vocabulary: int
) -> tuple[TokenizerKind, int]:
    """The kind of tokenizer and its number of ids, as given or by default.

    Raises:
        SpecError: there is no such tokenizer.
    """
    kind = str(options.get("tokenizer", default))
    if kind not in KINDS:
        raise SpecError(f"there is no tokenizer {kind!r}. Known: {', '.join(KINDS)}.")
    return cast(TokenizerKind, kind), int(str(options.get("vocabulary", vocabulary)))


def padded(rows: "list[np.ndarray]", length: int, tokenizer: Tokenizer) -> "np.ndarray":
    """Ids of each row, cut or padded on the right to one length: int32 of shape (rows, length)."""
    import numpy as np

    X = np.full((len(rows), length), PAD, dtype=np.int32)
    for at, ids in enumerate(rows):
        kept = tokenizer.cut(ids, length) if isinstance(tokenizer, Pretrained) else ids[:length]
        X[at, : len(kept)] = kept
    return X


def _tokenizer(texts: list[str], options: Mapping[str, JsonValue]) -> Tokenizer:
    if options.get("tokenizer") == "pretrained":
        return read_pretrained(Path(str(options["file"])), specials=True)
    kind, vocabulary = tokenizer_options(options, default="bpe", vocabulary=_VOCABULARY)
    return train_tokenizer(texts, kind=kind, vocabulary=vocabulary)


def _encoded(frame: "pd.DataFrame", columns: tuple[str, ...], tokenizer: Tokenizer) -> "list[np.ndarray]":
    import numpy as np

    texts = [frame[name].astype("str").fillna("").tolist() for name in columns]
    if isinstance(tokenizer, Pretrained):  # it has no id for what stands between columns
        return [tokenizer.encode("\n".join(one)) for one in zip(*texts, strict=True)]
    parts = [[tokenizer.encode(text) for text in column] for column in texts]
    if len(parts) == 1:
        return parts[0]
    between = np.array([tokenizer.vocabulary], dtype=np.int32)
    return [
        np.concatenate([piece for ids in row for piece in (ids, between)][:-1]) if any(map(len, row)) else row[0]
        for row in zip(*parts, strict=True)
    ]


def _length(rows: "list[np.ndarray]", wanted: JsonValue, longest: int) -> int:
    if wanted != "auto":
        return max(int(str(wanted)), 1)
    lengths = sorted(len(ids) for ids in rows)
    return max(min(lengths[math.ceil(_SHARE * len(lengths)) - 1], _LONGEST, longest), 1)


def read_as(tokenizer: Tokenizer, learnt_from: str) -> str:
    """What a tokenizer makes of a text, for people."""
    if tokenizer.kind == "pretrained":
        return f"tokens of the checkpoint's own tokenizer, which has {tokenizer.vocabulary} ids"
    names = {"char": "characters", "word": "words", "bpe": "byte pairs"}
    return f"{names[tokenizer.kind]}, {tokenizer.vocabulary} ids learnt from the training {learnt_from}"


def _described(columns: tuple[str, ...], tokenizer: Tokenizer, length: int) -> Finding:
    return Finding(
        code="data.tokenizer",
        severity=Severity.INFO,
        where=", ".join(columns),
        what=f"texts are read as {read_as(tokenizer, 'rows')}, {length} a row",
        evidence={"tokenizer": tokenizer.kind, "vocabulary": tokenizer.vocabulary, "length": length},
    )


def _cut(columns: tuple[str, ...], rows: "list[np.ndarray]", length: int) -> list[Finding]:
    cut = sum(len(ids) > length for ids in rows)
    if not cut:
        return []
    longest = max(len(ids) for ids in rows)
    return [
        Finding(
            code="data.texts_cut",
            severity=Severity.INFO if cut <= (1 - _SHARE) * len(rows) + 1 else Severity.WARNING,
            where=", ".join(columns),
            what=f"{cut} of {len(rows)} training texts are longer than {length} tokens and lose their end "
            f"(the longest has {longest})",
            why="Every row of a batch has one length, and attention grows with its square.",
            fix="Set length under architecture.architecture_spec to keep more",
            evidence={"cut": cut, "rows": len(rows), "length": length, "longest": longest},
        )
    ]


def _ignored(schema: Schema, columns: tuple[str, ...]) -> list[Finding]:
    others = [c.name for c in schema.features if c.name not in columns]
    if not others:
        return []
    return [
        Finding(
            code="data.columns_not_read",
            severity=Severity.WARNING,
            where=", ".join(others[:10]),
            what=f"this model reads texts only; {len(others)} other feature columns are left out",
            why="What they say about the target is lost.",
            fix="Choose a model of tables (it reads texts as word counts), or list them under data.columns.ignore",
            evidence={"columns": others[:100]},
        )
    ]
