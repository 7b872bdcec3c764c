"""Traces by OpenTelemetry: spans of Temporal's SDK for workflows and activities, Pydantic AI's for model calls.

They go where the standard variables say (``OTEL_EXPORTER_OTLP_ENDPOINT`` and its kin); without one there are none.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.worker import Plugin

from outlive.errors import SettingError
from outlive.models.tracing import trace_model_calls
from outlive.settings import Settings, process_environment

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "outlive"  # unless OTEL_SERVICE_NAME says otherwise


def is_traced() -> bool:
    """Whether the environment says where traces go."""
    environment = process_environment()
    is_off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not is_off and any(environment.get(name) for name in ENDPOINTS)


@contextmanager
def traced(settings: Settings) -> Iterator[list[Plugin]]:
    """Send traces for as long as the block runs, and give the plugins that a worker needs for them; none where off.

    Raises:
        SettingError: If the packages are missing.
    """
    if not is_traced():
        yield []
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider
    except ImportError as error:
        raise SettingError(
            f"{' or '.join(ENDPOINTS)} is set, but {error.name} is not installed. "
            "Install it with `pip install 'outlive[otel]'`, or unset the variable."
        ) from error
    from pydantic_ai.models.instrumented import InstrumentationSettings

    named = process_environment().get("OTEL_SERVICE_NAME") or SERVICE
    provider = create_tracer_provider(resource=Resource.create({SERVICE_NAME: named}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    trace_model_calls(
        InstrumentationSettings(
            tracer_provider=provider,
            include_content=settings.trace_content,
            include_binary_content=False,
            include_model_request_parameters=False,  # instructions are among them
        )
    )
    try:
        yield [OpenTelemetryPlugin(add_temporal_spans=True)]
    finally:
        trace_model_calls(None)
        provider.shutdown()
