"""Cheap trials: which shares, who is promoted, and what the sampler learns from."""

import pytest

from tests.search.builders import record, settings
from trainwright.search.halving import informative, promoted, shares_for
from trainwright.search.propose import propose
from trainwright.search.settings import Known
from trainwright.search.space import key_of

SHARES = (0.111111, 0.333333, 1.0)


@pytest.mark.parametrize(
    ("rows", "shares"),
    [(20_000, (1.0,)), (30_000, (0.333333, 1.0)), (89_000, (0.333333, 1.0)), (90_000, SHARES), (10**7, SHARES)],
)
def test_no_share_is_below_ten_thousand_rows(rows, shares):
    assert shares_for(rows) == shares


def test_the_best_third_of_a_rung_goes_on_and_each_only_once():
    wanted = settings(shares=SHARES)
    cheap = [record(n, 0.5 - n / 100, share=SHARES[0]) for n in range(6)]
    assert promoted(wanted, cheap[:2], []) is None, "two trials have no best third"
    assert promoted(wanted, cheap, []).number == 5
    running = [(key_of(cheap[5].params), SHARES[1])]
    assert promoted(wanted, cheap, running).number == 4
    done = [*cheap, record(6, 0.4, params=cheap[5].params, share=SHARES[1])]
    assert promoted(wanted, done, []).number == 4
    assert promoted(wanted, [*done, record(7, 0.4, params=cheap[4].params, share=SHARES[1])], []) is None


def test_more_rows_come_before_new_configurations():
    wanted = settings(shares=SHARES)
    middle = [record(n, 0.5 - n / 100, share=SHARES[1]) for n in range(3)]
    cheap = [record(n, 0.5 - n / 100, share=SHARES[0]) for n in range(10, 16)]
    proposal = propose(20, wanted, [*middle, *cheap])
    assert (proposal.share, proposal.params) == (1.0, middle[2].params)
    assert proposal.origin == "trial 2, on more rows"


def test_a_pruned_trial_counts_in_its_rung_and_is_not_promoted():
    wanted = settings(shares=SHARES)
    cheap = [record(0, 0.5, share=SHARES[0])]
    cheap += [record(n, None, state="pruned", share=SHARES[0]) for n in range(1, 6)]
    assert promoted(wanted, cheap, []).number == 0
    assert promoted(wanted, [r for r in cheap if r.state == "pruned"], []) is None


def test_the_first_known_configuration_sees_all_rows_and_all_others_begin_on_the_fewest():
    known = (Known(params={"rate": 0.1}, source="defaults"), Known(params={"rate": 0.3}, source="portfolio"))
    wanted = settings(shares=SHARES, known=known)
    assert propose(0, wanted, []).share == 1.0
    assert propose(1, wanted, [record(0, 0.5)]).share == SHARES[0]
    assert propose(1, wanted, [record(0, 0.5)]).origin == "portfolio"
    assert propose(2, wanted, [record(n, 0.5) for n in range(2)]).share == SHARES[0]


def test_the_sampler_learns_from_most_rows_that_are_enough():
    wanted = settings(shares=SHARES)
    full, cheap = [record(n, 0.5) for n in range(3)], [record(n, 0.5, share=SHARES[0]) for n in range(3, 15)]
    assert informative(wanted, [*full, *cheap], 10) == cheap
    assert informative(wanted, [*full, *cheap], 3) == full
    assert informative(settings(), full, 10) == full
