"""What ``outlive doctor`` says of stores that several machines would have to share."""

from outlive.cli.findings import Finding, State
from outlive.settings import Settings
from outlive.worker.local_stores import local_stores


def shared_stores(settings: Settings, *, has_cluster: bool) -> Finding:
    """Return whether workers on other machines would find what this one keeps; an engine of ours has no others."""
    if not has_cluster:
        return Finding(name="stores", state=State.GOOD, found="of this machine, as is its engine")
    local = local_stores(settings)
    if not local:
        return Finding(name="stores", state=State.GOOD, found="ledger, event log and large values are shared")
    found = f"on this machine alone: {' and '.join(local)}"
    mend = "With workers on one machine nothing need be done. On several they would repeat or miss work."
    return Finding(name="stores", state=State.NOTE, found=found, mend=mend)
