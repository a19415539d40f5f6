"""Text that a language model writes: a look at what its bits a character mean."""

from typing import TYPE_CHECKING, cast

from trainwright.core.seeds import Seeds
from trainwright.engines.contract import Continues
from trainwright.fit.artifact import Scorer

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.language_features import LanguageFeatures

CHARACTERS = 300  # assumption: enough to see words and lines, a few seconds of a small model
PROMPT = 64  # assumption: enough of a beginning to show how the text goes on
TEMPERATURE = 0.8  # as nanoGPT's sample.py: at 1.0 rare mistakes of each character add up over a line
_FIRST = 2  # ids below are padding and unknown, which are no text


def write_samples(scorer: Scorer, beginning: str, seeds: Seeds) -> str:
    """A beginning of ``PROMPT`` characters, and how the model goes on; empty where a model cannot.

    The same model and seeds write the same text.
    """
    features, model = scorer.members[0]
    if not isinstance(model, Continues):
        return ""
    tokenizer = cast("LanguageFeatures", features).tokenizer
    prompt = beginning[:PROMPT]
    ids = [0, *tokenizer.encode(prompt).tolist()]
    generator = seeds.generator("samples")
    written: list[int] = []
    while len(tokenizer.decode(written)) < CHARACTERS and len(written) < CHARACTERS:
        written.append(_drawn(model, [*ids, *written], generator))
    return (
        f"The beginning, from validation text:\n\n{prompt}\n\nAs the model goes on (temperature {TEMPERATURE}):\n\n"
        f"{tokenizer.decode(written)}\n"
    )


def _drawn(model: Continues, ids: list[int], generator: "np.random.Generator") -> int:
    import numpy as np

    share = model.next_token(np.array(ids, dtype=np.int64)) ** (1 / TEMPERATURE)
    share[:_FIRST] = 0.0
    return int(generator.choice(len(share), p=share / share.sum()))
