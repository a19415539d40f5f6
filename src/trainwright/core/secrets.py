"""Keeping keys, tokens and passwords out of logs, files and messages."""

import os
import re
from collections.abc import Mapping

HIDDEN = "***"
_NAME = re.compile(r"(^|_)(PASSWORD|PASSWD|PWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)(_|$)", re.I)
_NOT_SECRET = frozenset({"PWD", "OLDPWD"})  # of a shell: folders
_SHORTEST = 6  # characters of a value that is hidden wherever it stands; shorter ones occur in ordinary words
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s@'\"]*@")
_QUERY = re.compile(
    r"(?P<name>[?&;][^=&\s]*(?:token|key|secret|password|pwd|sig|signature|auth)[^=&\s]*=)[^&\s'\"]+", re.I
)
_HEADER = re.compile(r"(?P<name>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}", re.I)


def hidden(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text without user names and passwords in URLs, secrets in their queries, authorisation headers, and values
    of environment variables (default: this process's) whose names say that they are secret."""
    variables = os.environ if environment is None else environment
    values = {v for n, v in variables.items() if _NAME.search(n) and n not in _NOT_SECRET and len(v) >= _SHORTEST}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _USER.sub(lambda m: f"{m['scheme']}{HIDDEN}@", text)
    return _HEADER.sub(lambda m: m["name"] + HIDDEN, _QUERY.sub(lambda m: m["name"] + HIDDEN, text))


def holds_secret(url: str) -> bool:
    """Whether a URL carries a password or a secret in its query."""
    return hidden(url, {}) != url
