import random

import pytest

from outlive.payloads.tree import DIGEST_SIZE, FAN_OUT, Reference, digest_of, expand, refer

LENGTHS = [0, 1, 31, 32, 33, 1023, 1024, 1025, 40_000, *random.Random(3).sample(range(2, 5_000), 5)]


def leaves(count):
    return [digest_of(str(number).encode()) for number in range(count)]


async def opened(reference, groups):
    async def load(digests):
        return {digest: groups[digest] for digest in digests}

    return await expand(reference, load)


@pytest.mark.parametrize("count", LENGTHS)
async def test_a_reference_opens_into_its_leaves_in_their_order(count):
    reference, groups = refer(leaves(count))

    expanded = await opened(reference, groups)

    assert expanded.leaves == leaves(count)
    assert expanded.groups == set(groups)


@pytest.mark.parametrize("count", LENGTHS)
def test_a_reference_stays_small_whatever_it_refers_to(count):
    reference, groups = refer(leaves(count))

    assert len(reference.roots) <= 3 * FAN_OUT * DIGEST_SIZE
    assert all(len(content) == FAN_OUT * DIGEST_SIZE for content in groups.values())


def test_one_leaf_more_makes_few_new_groups():
    before = set()
    made = []
    for count in range(1, 1_100):
        _, groups = refer(leaves(count))
        made.append(len(groups.keys() - before))
        before |= groups.keys()

    assert max(made) == 2
    assert sum(made) == 1_099 // 32 + 1


async def test_a_leaf_that_stands_twice_is_opened_twice():
    twice = leaves(40) * 30

    assert (await opened(*refer(twice))).leaves == twice


def test_a_reference_whose_roots_do_not_fit_its_length_is_refused():
    with pytest.raises(ValueError, match="33 chunks with 20 bytes"):
        Reference(count=33, roots=b"x" * DIGEST_SIZE).levels()
