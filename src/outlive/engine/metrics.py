"""Prometheus metrics of a process: those of Temporal's SDK, and ours beside them at the same address."""

from collections.abc import Mapping

from temporalio.common import MetricCounter, MetricGauge
from temporalio.runtime import PrometheusConfig, Runtime

from outlive.meters import GAUGES, HELP, Measure

_chosen: list[PrometheusConfig] = []


def expose_metrics(address: str) -> None:
    """Have the SDK's runtime serve ``/metrics`` at ``host:port``; to be called before anything connects."""
    _chosen[:] = [PrometheusConfig(bind_address=address, counters_total_suffix=True, unit_suffix=True)]


def chosen_metrics() -> PrometheusConfig | None:
    """Return where metrics are served; None where they are not."""
    return _chosen[0] if _chosen else None


class RuntimeCollector:
    """Hands on to the SDK's runtime what this process counts."""

    def __init__(self, runtime: Runtime) -> None:
        meter = runtime.metric_meter
        self._counters: dict[Measure, MetricCounter] = {}
        self._gauges: dict[Measure, MetricGauge] = {}
        for measure, description in HELP.items():
            if measure in GAUGES:
                self._gauges[measure] = meter.create_gauge(measure, description)
            else:
                self._counters[measure] = meter.create_counter(measure, description)

    def __call__(self, measure: Measure, amount: int, labels: Mapping[str, str]) -> None:
        """Take one count."""
        if measure in self._gauges:
            self._gauges[measure].set(amount, labels)
        else:
            self._counters[measure].add(amount, labels)
