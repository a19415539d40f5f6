"""One root seed, many independent named streams: randomness is a function of names, never of history."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Seeds:
    """Derives seeds from a root and names: ``Seeds(42).integer("shuffle", epoch)``.

    Streams with different names are independent for every practical purpose: each is 64 bits of a
    BLAKE2b hash of the root and the names, the construction NumPy's own ``SeedSequence.spawn`` stands for.
    """

    root: int

    def integer(self, *names: str | int, bits: int = 31) -> int:
        """A seed of at most ``bits`` bits (31 fits every library's signed 32-bit seed)."""
        text = "\x1f".join([str(self.root), *(f"{type(n).__name__}:{n}" for n in names)])
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - bits)

    def generator(self, *names: str | int) -> "np.random.Generator":
        """A NumPy generator for the stream of that name."""
        import numpy as np

        return np.random.default_rng(self.integer(*names, bits=63))

    def child(self, *names: str | int) -> "Seeds":
        """The seeds of a part (a fold, a trial), independent of its siblings."""
        return Seeds(self.integer(*names, bits=63))
