"""How something in a Python file is spelled in a spec: ``my_data.py:TrainSet``. Looks at the text only."""

import re

_NAMED = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
UNTRUSTED = (
    "this is Python code, and a spec may not run code by itself",
    "Read the file, then allow it with --trust-code (API: trust_code=True)",
)
"""What is said, and what to do, where code would have to run that the user did not allow."""


def is_code(text: str) -> bool:
    """Whether a path names Python code rather than data; its form may still be wrong."""
    return ".py:" in text or text.endswith(".py")


def split_code(text: str) -> tuple[str, str] | None:
    """The file and the name in it; None where the text has another form."""
    found = _NAMED.fullmatch(text)
    return None if found is None else (found["file"], found["name"])
