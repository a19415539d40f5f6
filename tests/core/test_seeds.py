"""Seeds: pinned values, independence of streams, and that only names matter."""

import itertools

import numpy as np
import pytest

from trainwright.core.seeds import Seeds


def test_pinned_values_never_change():
    # A change here changes every result anyone ever trained: it needs a new major version.
    assert Seeds(42).integer("shuffle", 3) == 1404661231
    assert Seeds(42).child("fold", 1).integer("shuffle", 3) == 1476220776
    assert Seeds(0).integer("x", bits=63) == 1424880519344033811
    assert Seeds(42).generator("split").integers(0, 2**31, 3).tolist() == [1236993437, 1957907415, 1695747460]


def test_the_same_names_give_the_same_stream_whatever_was_drawn_before():
    seeds = Seeds(1)
    first = seeds.generator("a").random(5)
    seeds.generator("b").random(100)
    assert (seeds.generator("a").random(5) == first).all()


def test_names_types_and_grouping_all_matter():
    seeds = Seeds(7)
    drawn = [
        seeds.integer("a"),
        seeds.integer("b"),
        seeds.integer("a", 1),
        seeds.integer("a", "1"),
        seeds.integer("a1"),
        seeds.integer("a", 1, 1),
        seeds.integer("a", 11),
        seeds.integer(),
        Seeds(8).integer("a"),
        seeds.child("a").integer("a"),
        seeds.child("b").integer("a"),
    ]
    assert len(set(drawn)) == len(drawn)


def test_many_streams_do_not_collide():
    wide = [Seeds(root).integer("s", i, bits=63) for root in range(20) for i in range(500)]
    assert len(set(wide)) == len(wide)


def test_neighbouring_streams_are_uncorrelated():
    streams = np.array([Seeds(42).generator("epoch", e).standard_normal(4000) for e in range(12)])
    correlation = np.corrcoef(streams)
    # 66 pairs, standard error 1/sqrt(4000): 4.5 of them is beyond any chance.
    assert max(abs(correlation[i, j]) for i, j in itertools.combinations(range(12), 2)) < 4.5 / np.sqrt(4000)


@pytest.mark.parametrize("bits", [1, 8, 31, 32, 63])
def test_a_seed_fits_its_bits_and_uses_them(bits):
    drawn = [Seeds(3).integer("k", i, bits=bits) for i in range(200)]
    assert all(0 <= d < 2**bits for d in drawn)
    assert max(drawn) >= 2 ** (bits - 1)


def test_a_child_is_seeds_again():
    assert isinstance(Seeds(1).child("fold", 0), Seeds)
    assert Seeds(1).child("fold", 0) == Seeds(1).child("fold", 0)
    assert Seeds(1).child("fold", 0) != Seeds(1).child("fold", 1)
