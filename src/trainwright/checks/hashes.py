"""Row hashes that agree with the ones the sealed test part carries."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def row_hashes(frame: "pd.DataFrame", features: list[str]) -> "np.ndarray":
    """Uint64 per row over the feature columns, labels not included."""
    import pandas as pd

    return pd.util.hash_pandas_object(frame[features], index=False).to_numpy()
