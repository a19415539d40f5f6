"""A tokenizer that comes with a checkpoint: a ``tokenizer.json`` of the `tokenizers` library, read without code.

Its ids are moved up by `FIRST`, so that 0 is padding here as everywhere; the network moves them down again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import first_line, needs_package
from trainwright.data.tokenizers import FIRST, TokenizerKind

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer as Library


@dataclass(frozen=True, slots=True)
class Pretrained:
    """``text`` is the file. ``specials`` adds the marks its own template has (``[CLS]`` and ``[SEP]`` of BERT)."""

    text: str
    specials: bool
    kind: TokenizerKind = "pretrained"
    _library: "Library" = field(init=False, repr=False, compare=False)
    _marks: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the file, and see how many marks its template puts before and behind a text.

        Raises:
            ValueError: it is no tokenizer.
            ResourceMissing: the package is not installed.
        """
        with needs_package("tokenizers", "text"):
            from tokenizers import Tokenizer
        try:
            library = Tokenizer.from_str(self.text)
        except Exception as error:  # the library raises Exception itself
            raise ValueError(f"no tokenizer of the tokenizers library: {first_line(error)}") from error
        library.no_padding()
        library.no_truncation()
        object.__setattr__(self, "_library", library)
        object.__setattr__(self, "_marks", _marks(library) if self.specials else (0, 0))

    @property
    def vocabulary(self) -> int:
        """Padding, an id nobody uses, and the tokenizer's own."""
        return FIRST + int(self._library.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> "np.ndarray":
        """The ids of a text with its marks, int32."""
        import numpy as np

        ids = self._library.encode(text, add_special_tokens=self.specials).ids
        return np.array(ids, dtype=np.int32) + np.int32(FIRST)

    def cut(self, ids: "np.ndarray", length: int) -> "np.ndarray":
        """At most ``length`` ids: the text loses its end, the marks behind it stay."""
        import numpy as np

        behind = self._marks[1]
        if len(ids) <= length or not behind:
            return ids[:length]
        return np.concatenate([ids[: max(length - behind, 0)], ids[-behind:]])[:length]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids."""
        own = [int(one) - FIRST for one in ids if one >= FIRST]
        return str(self._library.decode(own, skip_special_tokens=True))

    def to_json(self) -> dict[str, JsonValue]:
        """The file itself."""
        return {"kind": self.kind, "text": self.text, "specials": self.specials}


def read_pretrained(path: Path, *, specials: bool) -> Pretrained:
    """Read a ``tokenizer.json``.

    Raises:
        ArtifactRefused: it cannot be read.
        ResourceMissing: the package ``tokenizers`` is not installed.
    """
    try:
        return Pretrained(path.read_text(encoding="utf-8"), specials=specials)
    except (OSError, ValueError) as error:
        raise ArtifactRefused(f"{path} cannot be read: {error}") from error


def _marks(library: "Library") -> tuple[int, int]:
    """How many ids stand before and behind a text."""
    bare = library.encode("a", add_special_tokens=False).ids
    whole = library.encode("a", add_special_tokens=True).ids
    more = len(whole) - len(bare)
    before = next((at for at in range(more + 1) if whole[at : at + len(bare)] == bare), 0)
    return before, more - before
