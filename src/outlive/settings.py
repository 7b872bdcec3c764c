"""Every setting of Outlive, once: name, default, unit and help.

A setting is an environment variable ``OUTLIVE_<NAME>``. The address, namespace, TLS and API key of a Temporal
cluster are Temporal's own (``TEMPORAL_ADDRESS``, ``TEMPORAL_PROFILE``, ``temporal.toml``) and are read by Temporal's
own code; provider keys are the providers' own (``OPENAI_API_KEY`` and so on).
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

from outlive.contracts.limits import ANY_MODEL
from outlive.errors import SettingError
from outlive.names import DEFAULT_TASK_QUEUE

PREFIX = "OUTLIVE_"
SHORTEST_TOKEN = 16  # characters: a shorter secret can be guessed


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Durations are seconds, sizes bytes."""

    home: Annotated[Path, "State folder of the project: engine file, ledger, logs."] = Path(".outlive")
    port: Annotated[int, "gRPC port of the embedded engine; 0 takes 7233 where it is free, else any free port."] = 0
    ui_port: Annotated[int, "Port of Temporal's Web UI; 0 takes 8233 where it is free, else any free port."] = 0
    synchronous: Annotated[
        str, "How the embedded engine syncs its file: full, or normal (faster; a power cut may lose the last second)."
    ] = "full"
    fairness: Annotated[
        bool, "Whether tenants whose work waits in the embedded engine take turns; a cluster has a setting of its own."
    ] = False
    retention_days: Annotated[
        int,
        "How many days finished runs are kept: by the embedded engine, and at least as long in ledger and event log.",
    ] = 90
    housekeeping_hours: Annotated[
        float,
        "Hours between two rounds in which `outlive up` removes what no run needs any more; 0 leaves it to "
        "`outlive clean`.",
    ] = 6.0
    ledger: Annotated[
        str,
        "Where effects, outcomes and money are remembered: empty for a file in the state folder, or a PostgreSQL "
        "database, postgresql://user:password@host:5432/database.",
    ] = field(default="", repr=False)  # it may hold a password
    payloads: Annotated[
        str,
        "Where large values are kept: empty for the state folder, or s3://, gs://, az:// or file:// with a bucket or "
        "folder that this project's namespace shares with no other.",
    ] = ""
    payload_grace_days: Annotated[int, "How many days an unused large value is kept before it may be removed."] = 7
    task_queue: Annotated[str, "Temporal task queue that clients and workers of this project share."] = (
        DEFAULT_TASK_QUEUE
    )
    model: Annotated[
        str, "Model where a command or app names none; empty takes the first provider whose key is set, else offline."
    ] = ""
    prices: Annotated[
        str,
        "JSON file with prices of models that Outlive does not know, in dollars per million tokens; empty for none.",
    ] = ""
    budget_output_tokens: Annotated[
        int, "Most output of a model call that a budget pays for, where the call itself names no max_tokens."
    ] = 8_192
    drain_timeout: Annotated[
        float,
        "Seconds that a stopping worker gives to what is in flight; then it is broken off and handed back.",
    ] = 10.0
    requests_per_minute: Annotated[
        str,
        "Most calls a minute that all workers together begin: 600 of each model, or openai:gpt-5=600,anthropic:x=300; "
        "empty for no limit but those of the app.",
    ] = ""
    tokens_per_minute: Annotated[
        str, "Most tokens a minute of all workers together, input and output: written as OUTLIVE_REQUESTS_PER_MINUTE."
    ] = ""
    bind: Annotated[
        str, "Address at which `outlive worker` answers probes and serves metrics; 0.0.0.0 in a container."
    ] = "127.0.0.1"
    health_port: Annotated[int, "Port of /healthz and /readyz of `outlive worker`; 0 for none."] = 0
    metrics_port: Annotated[int, "Port of the Prometheus metrics of `outlive worker`; 0 for none."] = 0
    trace_content: Annotated[
        bool, "Whether OpenTelemetry's spans of model calls hold prompts and answers, where traces are on."
    ] = False
    versioning: Annotated[
        bool, "Whether `outlive worker` serves a version of the app's code: runs stay on the one that they began with."
    ] = False
    build: Annotated[
        str, "Build id of that version, such as a commit; empty takes a digest of the app's files in this folder."
    ] = ""
    promote: Annotated[bool, "Whether a worker's version becomes current as soon as it polls."] = False
    exit_when_drained: Annotated[bool, "Whether a worker ends once no run needs its version any more."] = False
    activity_slots: Annotated[int, "Most activities that a worker works on at a time."] = 100
    target_memory: Annotated[
        float, "Share of the machine's (or container's) memory up to which a worker takes work; 0 does not look."
    ] = 0.0
    target_cpu: Annotated[float, "Share of the processor up to which a worker takes work; 0 does not look."] = 0.0
    poller_autoscaling: Annotated[
        bool, "Whether a worker has more or fewer polls open as the cluster advises, instead of always five."
    ] = False
    model_timeout: Annotated[float, "Seconds for one model call."] = 600.0
    model_attempts: Annotated[
        int, "How often one model call is tried when the provider is overloaded or not reachable."
    ] = 6
    outage_pause: Annotated[float, "Seconds that a model which answers nobody is left alone."] = 20.0
    answer_attempts: Annotated[int, "How often a model is asked when its answer does not fit the output type."] = 3
    context_tokens: Annotated[int, "Context size assumed of a model whose real one is not known, in tokens."] = 128_000
    notify_days: Annotated[float, "Days for which an event is tried to be delivered; then it is parked."] = 3.0
    notify_longest_pause: Annotated[float, "Most seconds between two attempts to deliver an event."] = 3_600.0
    kafka_bootstrap: Annotated[
        str, "Kafka brokers of targets that name none: host:port, several with commas between."
    ] = ""
    kafka_security: Annotated[str, "How Kafka is spoken to: plaintext, ssl, sasl_plaintext or sasl_ssl."] = "plaintext"
    kafka_sasl_mechanism: Annotated[str, "SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."] = "PLAIN"
    kafka_username: Annotated[str, "User name for SASL."] = ""
    kafka_password: Annotated[str, "Password for SASL."] = field(default="", repr=False)
    kafka_ca_file: Annotated[str, "PEM file with the authorities that Kafka is trusted by; empty for the system's."] = (
        ""
    )
    kafka_cert_file: Annotated[str, "PEM file with a client certificate for Kafka; empty for none."] = ""
    kafka_key_file: Annotated[str, "PEM file with its key, where the certificate's file does not hold it."] = ""
    desk_key: Annotated[
        str, "Secret that signs one-time links to decisions; empty makes one and keeps it in the state folder."
    ] = field(default="", repr=False)
    api_port: Annotated[int, "Port of the HTTP API; 0 takes 8234 where it is free, else any free port."] = 0
    api_token: Annotated[
        str, "Secret that callers of the HTTP API send as a bearer token; empty serves programs of this machine alone."
    ] = field(default="", repr=False)
    decide_token: Annotated[
        str,
        "The same for the role `decide`: reads all, answers hand-offs, talks with agents, and changes nothing else.",
    ] = field(default="", repr=False)
    look_token: Annotated[str, "The same for the role `look`: reads all, and changes nothing."] = field(
        default="", repr=False
    )
    console_hosts: Annotated[
        str, "Host names besides localhost under which the console is reached, with commas between."
    ] = ""
    temporal_ui: Annotated[
        str,
        "Address of the Web UI of a configured cluster: the console links to it, and serves it as its own where the "
        "path is /temporal; empty for none.",
    ] = ""
    api_sources: Annotated[
        str, "Folder from which callers of the HTTP API and assistants may name documents; empty for none."
    ] = ""
    keys: Annotated[
        str,
        "Keys that encrypt what rests, the first one for writing: file:PATH, command:PROGRAM ARGUMENTS, or ID:SECRET "
        "with commas between; empty for no encryption. See docs/security.md.",
    ] = field(default="", repr=False)
    codec_token: Annotated[
        str, "Secret that `outlive codec` wants of its callers; empty makes one at each start, and prints it."
    ] = field(default="", repr=False)
    offline_latency: Annotated[
        float, "Seconds that offline:extractive takes for one answer, so that a trial run feels like a real one."
    ] = 0.0
    allow_private_addresses: Annotated[
        bool, "Whether documents and webhooks may be at private, loopback and link-local addresses."
    ] = False

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from the environment.

        Raises:
            SettingError: For an unknown ``OUTLIVE_`` name, or a value that its setting cannot take.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + name.upper(): (name, get_args(hint)[0]) for name, hint in described(cls).items()}
        values: dict[str, object] = {}
        for name, text in environ.items():
            if not name.startswith(PREFIX):
                continue
            if name not in known:
                raise SettingError(f"Unknown setting {name!r}. Valid settings: {', '.join(sorted(known))}.")
            attribute, kind = known[name]
            values[attribute] = _parse(name, text, kind)
        settings = cls(**values)  # type: ignore[arg-type]
        settings._check()
        return settings

    def _check(self) -> None:
        if self.ledger and not self.ledger.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
            raise SettingError("OUTLIVE_LEDGER is no URL that begins with postgresql://. Give one, or unset it.")
        if not self.task_queue.strip():
            raise SettingError("OUTLIVE_TASK_QUEUE is empty. Name a queue, or unset it.")
        for name in ("requests_per_minute", "tokens_per_minute"):
            per_minute(name, getattr(self, name))
        self._check_tokens()
        if self.temporal_ui and not self.temporal_ui.startswith(("http://", "https://")):
            raise SettingError(
                f"OUTLIVE_TEMPORAL_UI is {self.temporal_ui!r}. It takes an address such as https://temporal.example.com."
            )
        self._check_values()

    def _check_tokens(self) -> None:
        tokens = {name: getattr(self, name) for name in _TOKENS if getattr(self, name)}
        for name, token in tokens.items():
            if len(token) < SHORTEST_TOKEN:
                raise SettingError(
                    f"{PREFIX}{name.upper()} has {len(token)} characters. Give at least {SHORTEST_TOKEN} random ones: "
                    "`openssl rand -hex 32`."
                )
        if len(set(tokens.values())) < len(tokens):
            raise SettingError(
                f"Two of {', '.join(PREFIX + name.upper() for name in tokens)} are the same, so that a role cannot be "
                "told from another. Give each its own."
            )

    def _check_values(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise SettingError(
                    f"{PREFIX}{name.upper()} is {getattr(self, name)!r}. It takes {' or '.join(map(repr, choices))}."
                )
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                upper = f" and at most {highest:,}" if highest < math.inf else ""
                raise SettingError(f"{PREFIX}{name.upper()} is {value:g}. It must be at least {lowest:g}{upper}.")


_TOKENS = ("api_token", "decide_token", "look_token")

_CHOICES = {
    "synchronous": ("full", "normal"),
    "kafka_security": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "kafka_sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}

_RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "ui_port": (0, 65_535),
    "api_port": (0, 65_535),
    "retention_days": (1, 36_500),
    "housekeeping_hours": (0, 8_760),
    "payload_grace_days": (2, 36_500),  # uses are noted once a day
    "drain_timeout": (0, 86_400),
    "health_port": (0, 65_535),
    "metrics_port": (0, 65_535),
    "activity_slots": (1, 10_000),
    "target_memory": (0, 1),
    "target_cpu": (0, 1),
    "model_timeout": (0.1, 86_400),
    "model_attempts": (1, math.inf),
    "answer_attempts": (1, math.inf),
    "context_tokens": (100, math.inf),
    "budget_output_tokens": (16, math.inf),
    "offline_latency": (0, 86_400),
    "notify_days": (0, 365),
    "notify_longest_pause": (0.05, 86_400),
}
"""Smallest and largest value of each number."""


def described(settings: type[Settings] = Settings) -> dict[str, object]:
    """Return each setting's annotated type, by name: ``typing.get_args`` of it gives the type and the help."""
    return get_type_hints(settings, include_extras=True)


def per_minute(name: str, text: str) -> dict[str, float]:
    """Return a limit of each model that a setting names; ``*`` stands for each that it does not name.

    Args:
        name: Of the setting.
        text: ``600``, or ``openai:gpt-5=600,anthropic:claude-sonnet-5=300``.

    Raises:
        SettingError: If it is written in another way.
    """
    limits: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        model, equals, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf or (equals and not model.strip()):
            raise SettingError(
                f"{PREFIX}{name.upper()} is {text!r}. It takes a number above 0, or MODEL=NUMBER, with commas between."
            )
        limits[model.strip() or ANY_MODEL] = value
    return limits


def _parse(name: str, text: str, kind: object) -> object:
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off", ""}:
            return False
        raise SettingError(f"{name} is {text!r}. It takes 'true' or 'false'.")
    try:
        return kind(text)  # type: ignore[operator]
    except ValueError as error:
        raise SettingError(f"{name} is {text!r}, which is not a number.") from error


def process_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for a child process."""
    return dict(os.environ)
