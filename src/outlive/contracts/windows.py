"""How a batch is cut into windows."""

from outlive.contracts.batches import BatchInput

LARGEST_WINDOW = 500
DOCUMENTS_IN_FLIGHT_PER_WINDOW = 50
FEWEST_WINDOWS_IN_FLIGHT = 8


def windows_in_flight(concurrency: int) -> int:
    """Return over how many windows so many documents in flight are spread: enough of them for several workers."""
    return min(concurrency, max(FEWEST_WINDOWS_IN_FLIGHT, -(-concurrency // DOCUMENTS_IN_FLIGHT_PER_WINDOW)))


def batch_input(batch_id: str, *, document_count: int, concurrency: int) -> BatchInput:
    """Return the workflow's argument for a batch that begins: a small batch gets small windows, so that all work."""
    windows = windows_in_flight(concurrency)
    spread = -(-document_count // (2 * windows))
    return BatchInput(
        batch_id=batch_id,
        document_count=document_count,
        window_size=max(1, min(LARGEST_WINDOW, spread)),
        windows_in_flight=windows,
    )
