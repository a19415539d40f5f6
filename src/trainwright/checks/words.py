"""What column names say: words for people and things that are met again, codes, and outcomes."""

import re

_PEOPLE = """
subject patient pat person participant respondent individual customer client user member player student pupil employee
worker household speaker writer donor voter borrower applicant visitor subscriber
"""
_THINGS = "device machine engine vehicle sensor turbine session account case animal family driver unit"
_CODES = "id ids nbr nr num number no code key uuid guid hash index identifier name"
_OUTCOMES = """
cancel cancelled canceled cancellation churned close closed closure end ended termination terminated exit resolved
resolution refund refunded outcome result settled settlement recovered recovery collection chargeoff death died
discharge discharged diagnosis delivered returned payoff default writeoff final reason left
"""

PEOPLE, THINGS, CODES = frozenset(_PEOPLE.split()), frozenset(_THINGS.split()), frozenset(_CODES.split())
OUTCOMES = frozenset(_OUTCOMES.split())


def words(name: str) -> frozenset[str]:
    """The words of a column name in lower case: ``userId``, ``user_id`` and ``USER ID`` are the same."""
    return frozenset(w.lower() for w in re.findall(r"[A-Za-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name)))


def stands_for_somebody(name: str) -> bool:
    """Whether a name is that of a person, or the code of a thing: ``subject#``, ``userId``, ``device_id``.

    A plural (``households``) is a count, and any other word beside (``customer_age``) makes it something about them.
    """
    said = words(name)
    if not said <= PEOPLE | THINGS | CODES:
        return False
    return bool(said & PEOPLE) or bool(said & THINGS and said & CODES)


def has_code_word(name: str) -> bool:
    """Whether a name says that the values are codes."""
    return bool(words(name) & CODES) or "#" in name


def tells_an_outcome(name: str) -> bool:
    """Whether a name speaks of how things ended: ``cancel_date``, ``closedReason``."""
    return bool(words(name) & OUTCOMES)
