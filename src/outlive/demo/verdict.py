"""What came of the demonstration, from two books that were kept apart: the ledger's and the document server's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, select

from outlive.ledger.schema import begun, documents, outcomes


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What the ledger has of one document.

    Attributes:
        status: None where it has no outcome.
        recorded_at: Seconds since the epoch.
        times_begun: How often it was begun.
    """

    uri: str
    status: str | None
    recorded_at: float
    times_begun: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The sums, and whether the promise held.

    Attributes:
        total: Documents that were asked for.
        lost: Documents without an outcome, or with one that the server never sent.
        done_twice: Documents that were read again after their outcome was in the ledger.
        begun_again: Documents that were begun more than once, because they were in flight at a kill (the ledger).
        read_again: Reads beyond the first of each document (the document server).
        kills: How many processes were killed.
    """

    total: int
    done: int
    failed: int
    lost: int
    done_twice: int
    begun_again: int
    read_again: int
    kills: int

    def holds(self, *, kills: int, in_flight: int) -> bool:
        """Return whether all is done once, though so many processes were killed.

        A read begins beside the ledger's note that the document was begun, so that a kill may fall between the two:
        what bounds the repeated reads is how many documents can have been in flight at the kills.
        """
        return (
            self.kills == kills
            and self.done == self.total
            and not (self.failed or self.lost or self.done_twice)
            and self.read_again <= kills * in_flight
        )


def recorded_documents(engine: Engine, batch: int) -> list[Recorded]:
    """Return what the ledger has of each document of a batch."""
    query = (
        select(documents.c.uri, outcomes.c.status, outcomes.c.recorded_at, begun.c.times)
        .select_from(documents)
        .outerjoin(outcomes, (outcomes.c.batch == documents.c.batch) & (outcomes.c.position == documents.c.position))
        .outerjoin(begun, (begun.c.batch == documents.c.batch) & (begun.c.position == documents.c.position))
        .where(documents.c.batch == batch, documents.c.duplicate_of.is_(None))
    )
    with engine.connect() as connection:
        return [
            Recorded(uri=uri, status=status, recorded_at=recorded_at or 0.0, times_begun=times or 0)
            for uri, status, recorded_at, times in connection.execute(query)
        ]


def judge(recorded: list[Recorded], served: Mapping[str, Mapping[str, Any]], *, kills: int) -> Verdict:
    """Compare the ledger's book with the document server's counters, path by path."""
    nothing = {"begun": 0, "completed": 0, "last_begun": 0.0}
    pairs = [(document, served.get(urlsplit(document.uri).path, nothing)) for document in recorded]
    return Verdict(
        total=len(recorded),
        done=sum(document.status == "done" for document in recorded),
        failed=sum(document.status == "failed" for document in recorded),
        lost=sum(document.status is None or not reads["completed"] for document, reads in pairs),
        done_twice=sum(
            document.status is not None and reads["last_begun"] > document.recorded_at for document, reads in pairs
        ),
        begun_again=sum(document.times_begun > 1 for document in recorded),
        read_again=sum(max(0, reads["begun"] - 1) for _, reads in pairs),
        kills=kills,
    )
