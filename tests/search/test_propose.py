"""Proposals are a function of the seed, the number and the ledger, and learn from it."""

import optuna
import pytest

from tests.search.builders import SPACE, record, settings
from trainwright.families.contract import Range
from trainwright.search.propose import propose
from trainwright.search.settings import Known
from trainwright.search.space import applies, holds, key_of


def searched(wanted, trials, value):
    """A whole search without training: every proposal gets its value at once."""
    done = []
    for number in range(trials):
        proposal = propose(number, wanted, done)
        if proposal is None:
            break
        done.append(record(number, value(proposal.params), params=proposal.params, origin=proposal.origin))
    return done


def bowl(params):
    return (params.get("rate", 0.5) - 0.3) ** 2 + abs(params.get("leaves", 60) - 16) / 100


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_the_same_ledger_gives_the_same_proposals_whoever_asks(method):
    wanted = settings(method=method)
    straight = searched(wanted, 14, bowl)
    for number in (1, 5, 13):  # as a process that was started anew asks
        assert propose(number, wanted, straight[:number]).params == straight[number].params
    assert len({key_of(r.params) for r in straight}) == 14


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_proposals_lie_in_the_space_with_what_applies(method):
    for one in searched(settings(method=method), 25, bowl)[1:]:
        for name, dimension in SPACE.items():
            assert (name in one.params) == applies(dimension, one.params, {})
            assert name not in one.params or holds(dimension, one.params[name])
        assert type(one.params["leaves"]) is int


def test_another_seed_proposes_something_else():
    one, other = (propose(4, settings(seeds=settings().seeds.child(name)), []) for name in ("a", "b"))
    assert one.params != other.params


def test_another_number_proposes_something_else():
    """Else a resumed search would draw again what it drew first."""
    found = [propose(number, settings(method="random"), []).params["rate"] for number in range(1, 7)]
    assert len(set(found)) == 6


def test_the_bayesian_search_learns():
    found = searched(settings(), 40, bowl)
    late, early = sorted(r.value for r in found[30:]), sorted(r.value for r in found[1:11])
    assert late[4] < early[4]


def test_known_configurations_come_first_inside_the_space():
    known = (
        Known(params={"rate": 5.0, "leaves": 31, "kind": "goss", "other": 1}, source="defaults"),
        Known(params={"rate": 1.0, "leaves": 31.0}, source="the same again"),
        Known(params={"kind": "dart", "drop": 0.1}, source="dart"),
    )
    proposals = [propose(n, settings(known=known), []) for n in range(3)]
    assert proposals[0].params == {"rate": 1.0, "leaves": 31}
    assert proposals[0].origin == "defaults"
    assert proposals[1].params == {"kind": "dart", "drop": 0.1}
    assert proposals[2].origin == "tpe"


def test_pending_trials_are_not_proposed_again():
    wanted = settings(space={"kind": SPACE["kind"]}, known=())
    first = propose(0, wanted, [])
    second = propose(1, wanted, [], [first])
    assert {first.params["kind"], second.params["kind"]} == {"plain", "dart"}
    assert propose(2, wanted, [], [first, second]) is None


def test_a_space_that_is_used_up_ends_the_search():
    assert len(searched(settings(space={"kind": SPACE["kind"]}, known=()), 10, lambda _: 0.5)) == 2


def test_a_grid_has_every_point_once_in_an_order_of_the_seed():
    space = {"kind": SPACE["kind"], "depth": Range(low=1, high=5, integer=True)}
    wanted = settings(method="grid", space=space)
    found = searched(wanted, 20, lambda _: 0.5)
    keys = [key_of(r.params) for r in found]
    assert len(keys) == len(set(keys)) == 10
    assert keys != sorted(keys)
    assert {r.origin for r in found} == {"grid"}


@pytest.mark.parametrize("state", ["failed", "pruned", "cut"])
def test_trials_without_a_full_score_do_not_disturb(state):
    done = [record(0, 0.3), record(1, 0.2 if state == "cut" else None, state=state, curve=((10, 0.4),))]
    assert propose(2, settings(), done).params


def test_lists_and_flags_are_choices_like_others():
    space = {"sizes": Range(choices=([8, 8], [16])), "flag": Range(choices=(True, False, None))}
    found = searched(settings(space=space, known=()), 12, lambda _: 0.5)
    assert len(found) == 6
    assert {str(r.params["sizes"]) for r in found} == {"[8, 8]", "[16]"}
    assert {r.params["flag"] for r in found} == {True, False, None}


def test_optunas_own_settings_are_put_back():
    before = optuna.logging.get_verbosity()
    propose(3, settings(), [])
    assert optuna.logging.get_verbosity() == before
