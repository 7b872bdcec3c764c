"""A worker of a cluster says what lies on its machine alone."""

import logging

import pytest

from outlive.cli.findings import State
from outlive.cli.store_checks import shared_stores
from outlive.settings import Settings
from outlive.worker.local_stores import warn_of_local_stores

SHARED = Settings(ledger="postgresql://u@h/d", payloads="s3://b/p")


@pytest.mark.parametrize(
    ("settings", "has_cluster", "warnings"),
    [(Settings(), True, 1), (Settings(ledger=SHARED.ledger), True, 1), (SHARED, True, 0), (Settings(), False, 0)],
)
def test_a_worker_warns_where_its_cluster_may_be_shared_and_its_files_are_not(caplog, settings, has_cluster, warnings):
    with caplog.at_level(logging.WARNING):
        warn_of_local_stores(settings, has_cluster=has_cluster)

    assert len(caplog.records) == warnings


def test_the_doctor_names_each_store_and_its_setting():
    both = shared_stores(Settings(), has_cluster=True)
    one = shared_stores(Settings(ledger=SHARED.ledger), has_cluster=True)

    assert (both.state, shared_stores(SHARED, has_cluster=True).state) == (State.NOTE, State.GOOD)
    assert shared_stores(Settings(), has_cluster=False).state is State.GOOD
    assert "OUTLIVE_LEDGER" in both.found
    assert "OUTLIVE_LEDGER" not in one.found
    assert "OUTLIVE_PAYLOADS" in one.found
