"""A file that another process appends to, read line by line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Tail:
    """Whole lines of a file, from its beginning, as they come. One that is cut is read again from its beginning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.position = 0

    @property
    def behind(self) -> int:
        """Bytes that were not read yet."""
        return max(0, self._size() - self.position)

    @property
    def was_cut(self) -> bool:
        """Whether the file is shorter than what was read of it; reading begins anew then."""
        return self._size() < self.position

    def start_over(self) -> None:
        """Read from the beginning again."""
        self.position = 0

    def lines(self, most: int) -> Iterator[dict[str, Any]]:
        """Up to so many whole lines that were not read yet, as objects."""
        if not self.behind:
            return
        with self._path.open("rb") as file:
            file.seek(self.position)
            for _ in range(most):
                line = file.readline()
                if not line.endswith(b"\n"):
                    return
                self.position += len(line)
                yield json.loads(line)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
