"""Long sequences of chunks under a short reference: a tree of groups that grows at its end."""

import hashlib
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

DIGEST_SIZE = 20  # bytes; two contents with one digest are not to be expected among 2**80 of them
FAN_OUT = (
    32  # children of a group: references stay below 3 KB for any length, and one more leaf makes one group at most
)


def digest_of(content: bytes) -> bytes:
    """Return the name of a chunk: `DIGEST_SIZE` bytes that depend on its plain content alone."""
    return hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A sequence of chunks, in order.

    The sequence is cut into full groups of ``FAN_OUT`` chunks, these into groups of groups, and so on; what is left at
    each level stands in the reference itself. A sequence that grows at its end keeps all its full groups.

    Attributes:
        count: Length of the sequence, in leaves.
        roots: Digests, joined: of the highest groups first, of the last leaves last.
    """

    count: int
    roots: bytes

    def levels(self) -> list[int]:
        """Return how many roots each level has: leaves first.

        Raises:
            ValueError: If the roots are not those of a sequence of this length.
        """
        numbers, rest = [], self.count
        while rest > 0:
            rest, number = divmod(rest, FAN_OUT)
            numbers.append(number)
        if self.count < 0 or sum(numbers) * DIGEST_SIZE != len(self.roots):
            raise ValueError(f"a reference to {self.count} chunks with {len(self.roots)} bytes of roots")
        return numbers


def refer(leaves: Sequence[bytes]) -> tuple[Reference, dict[bytes, bytes]]:
    """Return the reference to a sequence of leaf digests, and the groups between: content by digest."""
    groups: dict[bytes, bytes] = {}
    roots: list[bytes] = []
    level = list(leaves)
    while level:
        full = len(level) - len(level) % FAN_OUT
        roots[:0] = level[full:]
        above = []
        for start in range(0, full, FAN_OUT):
            content = b"".join(level[start : start + FAN_OUT])
            digest = digest_of(content)
            groups[digest] = content
            above.append(digest)
        level = above
    return Reference(count=len(leaves), roots=b"".join(roots)), groups


Load = Callable[[Collection[bytes]], Awaitable[Mapping[bytes, bytes]]]
"""Gives the contents of chunks by digest, or raises."""


@dataclass(frozen=True, kw_only=True)
class Expanded:
    """A reference with its groups opened.

    Attributes:
        leaves: Digests of the leaves, in order.
        groups: Digests of the groups that led there.
    """

    leaves: list[bytes]
    groups: set[bytes]


async def expand(reference: Reference, load: Load) -> Expanded:
    """Open a reference, one batch of ``load`` a level."""
    roots = split_digests(reference.roots)
    groups: set[bytes] = set()
    current: list[bytes] = []
    for number in reversed(reference.levels()):
        if current:
            groups.update(current)
            contents = await load(dict.fromkeys(current))
            current = list(itertools.chain.from_iterable(split_digests(contents[digest]) for digest in current))
        current.extend(itertools.islice(roots, number))
    return Expanded(leaves=current, groups=groups)


def split_digests(joined: bytes) -> Iterator[bytes]:
    """Return the digests that were joined."""
    return (joined[start : start + DIGEST_SIZE] for start in range(0, len(joined), DIGEST_SIZE))


def cut(content: bytes, size: int) -> Iterable[bytes]:
    """Cut a content into parts of ``size`` bytes; the last one may be shorter."""
    return (content[start : start + size] for start in range(0, len(content), size))
