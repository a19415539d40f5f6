"""Fitted transformers on disk: the types they may hold, and nothing else."""

from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.run import archive

TRUSTED = (
    "numpy.dtype",  # the dtype parameter of encoders
    "sklearn.utils._encode.MissingValues",  # OrdinalEncoder and OneHotEncoder with missing values among categories
    "scipy.sparse._csr.csr_matrix",
)
"""Every type beyond skops' own list that scikit-learn's transformers need. Nothing adds to it at run time."""

_REFUSAL = "Build it from scikit-learn's own transformers: only these are stored and loaded without running code."


def encode(transformer: object) -> bytes:
    """The transformer as bytes: equal transformers give equal bytes, in any process.

    Raises:
        ArtifactRefused: it holds a type outside `TRUSTED`, so that `decode` would refuse it.
    """
    data = archive.encode(transformer)
    foreign = archive.foreign_types(data, TRUSTED)
    if foreign:
        raise ArtifactRefused(
            f"the feature pipeline holds types that are not trusted: {', '.join(foreign)}. {_REFUSAL}"
        )
    return data


def decode(path: Path) -> object:
    """Read a transformer from a skops file, a fitted one or a user's.

    Raises:
        ArtifactRefused: the file is missing, damaged, or holds a type outside `TRUSTED`.
    """
    return archive.decode(path, TRUSTED, refusal=_REFUSAL)
