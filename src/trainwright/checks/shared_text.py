"""Text that stands in training and in validation too: the same passage twice, or a file given twice."""

from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, leak_result
from trainwright.checks.overlap import NAME
from trainwright.core.findings import Finding, Severity
from trainwright.data.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np

PASSAGE = 64  # assumption: so many characters in the same order are a copy; names and phrases are shorter
FEW = 5  # shared passages that may be chance or a refrain (assumption)
SUSPICIOUS, LEAK = 0.01, 0.2  # assumption: shares of validation passages; refrains and headings stay below the first
_BASE = 1_000_003  # of a polynomial hash modulo 2^64


def check_shared_text(dataset: Dataset) -> CheckResult:
    """Look for every passage of validation text at every place of the training text, by hash."""
    import numpy as np

    train = _hashes("".join(dataset.train.frame["text"].tolist()))
    val = _hashes("".join(dataset.val.frame["text"].tolist()))[::PASSAGE]
    shared = int(np.isin(val, train).sum())
    share = shared / len(val) if len(val) else 0.0
    saw = f"Looked for {len(val):,} passages of {PASSAGE} characters of validation text in training text: {shared:,} "
    saw += f"({share:.1%}) stand there too. Test text was not looked at."
    if share < SUSPICIOUS:
        return leak_result(NAME, saw, [])
    finding = Finding(
        code="leak.shared_text",
        severity=Severity.ERROR if share >= LEAK and shared >= FEW else Severity.WARNING,
        where="validation",
        what=f"{share:.1%} of the validation passages of {PASSAGE} characters are in the training text too",
        why="Text that was trained on tells nothing about other text.",
        fix="Take repeated documents out before training",
        evidence={"shared": shared, "passages": len(val)},
    )
    return leak_result(NAME, saw, [finding])


def _hashes(text: str) -> "np.ndarray":
    """A hash of the passage at every place of a text, uint64: differences of one running polynomial."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < PASSAGE:
        return np.empty(0, dtype=np.uint64)
    found = np.zeros(len(codes) - PASSAGE + 1, dtype=np.uint64)
    for at in range(PASSAGE):
        found = found * np.uint64(_BASE) + codes[at : at + len(found)] + np.uint64(1)
    return found
