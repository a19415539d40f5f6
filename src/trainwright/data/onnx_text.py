"""Word counts of text columns (TF-IDF, reduced or not) in an ONNX graph, as `TfidfVectorizer` makes them.

Words are cut by ONNX Runtime's own `Tokenizer`: runs of two and more of what Python's ``\\w`` means, spelled for RE2.
Letters are made small by the locale C.UTF-8, where Python differs for a capital sigma at the end of a word and for the
dotted capital I; a system without that locale refuses to load the graph.
"""

from typing import TYPE_CHECKING

from trainwright.core.errors import CannotExport

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import TransformerMixin

    from trainwright.data.onnx_graph import Graph

_WORDS = r"[\p{L}\p{N}_]{2,}"
_SKLEARN_WORDS = r"(?u)\b\w\w+\b"  # TfidfVectorizer's default, which we fit with
_LOCALE = "C.UTF-8"


def add_text(graph: "Graph", texts: str, step: "TransformerMixin") -> str:
    """From a column of texts, (rows, 1), to what the fitted step gives, float32.

    Raises:
        CannotExport: the step is none of ours.
    """
    import numpy as np
    from sklearn.pipeline import Pipeline

    terms = step[0] if isinstance(step, Pipeline) else step
    if getattr(terms, "token_pattern", None) != _SKLEARN_WORDS or terms.ngram_range != (1, 2):
        raise CannotExport("a text column whose words are cut in a way of its own has no equal in ONNX")
    weighted = _weighted(graph, _counts(graph, texts, terms), np.asarray(terms.idf_, dtype=np.float32))
    if not isinstance(step, Pipeline):
        return weighted
    return graph.add("MatMul", weighted, graph.constant(np.asarray(step[-1].components_.T, dtype=np.float32).copy()))


def _counts(graph: "Graph", texts: str, terms: "TransformerMixin") -> str:
    """How often each term of the vocabulary is in each text: words, and pairs of words that follow each other."""
    import numpy as np

    flat = graph.add("Reshape", texts, graph.constant(np.array([-1])))
    small = graph.add(
        "StringNormalizer", flat, attributes={"case_change_action": "LOWER", "is_case_sensitive": 1, "locale": _LOCALE}
    )
    column = graph.add("Reshape", small, graph.constant(np.array([-1, 1])))
    words = graph.add(
        "Tokenizer",
        column,
        domain="com.microsoft",
        attributes={"mark": 0, "mincharnum": 1, "pad_value": "", "tokenexp": _WORDS},
    )
    # A column of empty words: texts of which none has a word would give a matrix without columns.
    nothing = graph.add("Expand", graph.constant(np.array([[""]], dtype=object)), graph.add("Shape", column))
    padded = graph.add(
        "Concat", graph.add("Squeeze", words, graph.constant(np.array([1]))), nothing, attributes={"axis": 1}
    )
    singles = {term: at for term, at in terms.vocabulary_.items() if " " not in term}
    pairs = {term: at for term, at in terms.vocabulary_.items() if " " in term}
    pool = [*singles, *(word for pair in pairs for word in pair.split(" "))]
    return graph.add(
        "TfIdfVectorizer",
        padded,
        attributes={
            "mode": "TF",
            "min_gram_length": 1,
            "max_gram_length": 2 if pairs else 1,
            "max_skip_count": 0,
            "ngram_counts": [0, len(singles)] if pairs else [0],
            "ngram_indexes": [int(at) for at in (*singles.values(), *pairs.values())],
            "pool_strings": pool,
        },
    )


def _weighted(graph: "Graph", counts: str, idf: "np.ndarray") -> str:
    """``(1 + ln count) idf``, each row of length one."""
    import numpy as np

    zero, one = graph.constant(np.array(0, dtype=np.float32)), graph.constant(np.array(1, dtype=np.float32))
    present = graph.add("Greater", counts, zero)
    logs = graph.add("Add", graph.add("Log", graph.add("Where", present, counts, one)), one)
    weighted = graph.add("Mul", graph.add("Where", present, logs, zero), graph.constant(idf[None]))
    length = graph.add("ReduceL2", weighted, graph.constant(np.array([1])), attributes={"keepdims": 1})
    divisor = graph.add("Where", graph.add("Greater", length, zero), length, one)
    return graph.add("Div", weighted, divisor)
