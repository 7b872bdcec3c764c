"""Options that several commands share, and what they are turned into."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from outlive.contracts.batches import ReadingOptions
from outlive.errors import UsageError
from outlive.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(k|m|g)?b?", re.IGNORECASE)
_SIZE_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


class Size(click.ParamType[int]):
    """A number of bytes, such as ``20MB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} is not a size. Give one such as 500kB or 20MB.", param, ctx)
        return int(float(match[1]) * _SIZE_FACTORS[(match[2] or "").lower()])


def source_options(command: F) -> F:
    """Add the options that say how documents are found and read."""
    defaults = ReadingOptions()
    for option in reversed(
        [
            click.option("--column", help="Column or field that holds the URL or path (CSV, JSONL)."),
            click.option("--text-column", help="Column or field that holds the text itself (CSV, JSONL)."),
            click.option(
                "--extract",
                type=click.Choice(["page", "article"]),
                default=defaults.extract,
                show_default=True,
                help="HTML: all visible text, or only the main text (needs outlive[articles]).",
            ),
            click.option(
                "--long",
                "long_documents",
                type=click.Choice(["split", "refuse"]),
                default="split",
                show_default=True,
                help="A text longer than the model's context: worked through in parts, or recorded as too long.",
            ),
            click.option("--max-size", type=Size(), default=defaults.max_bytes, help="Largest document. [20MB]"),
            click.option(
                "--read-timeout",
                type=click.FloatRange(min=0.1),
                default=defaults.timeout_seconds,
                show_default=True,
                help="Seconds for one attempt at one document.",
            ),
            click.option(
                "--per-host",
                type=click.IntRange(min=1),
                default=defaults.connections_per_host,
                show_default=True,
                help="Requests in flight to one host, in each worker process.",
            ),
            click.option(
                "--host-delay",
                type=click.FloatRange(min=0),
                default=defaults.delay_seconds,
                show_default=True,
                help="Seconds between two requests to one host.",
            ),
            click.option(
                "--allow-private",
                is_flag=True,
                help="Read from private, loopback and link-local addresses too.",
            ),
        ]
    ):
        command = option(command)
    return command


def answer_options(command: F) -> F:
    """Add the options that say what is asked of the model."""
    for option in reversed(
        [
            click.option("--model", help="Pydantic AI model name such as openai:gpt-5-mini, or offline:extractive."),
            click.option(
                "--schema",
                type=click.Path(path_type=Path),
                help="JSON schema file of the answer.",
            ),
            click.option("--fields", help="Names of the fields of the answer: summary,topics."),
            click.option("--concurrency", type=click.IntRange(min=1), help="Documents in flight over all workers."),
            click.option("--budget", help="The most that it may spend: 25usd, 1000calls, or several of them."),
            click.option("--tenant", default="", help="On whose behalf it spends: tenant/NAME pays as well."),
            click.option("--fresh", is_flag=True, help="Answer every document anew, also where an answer exists."),
        ]
    ):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The options of `source_options`, as click hands them over."""

    column: str | None
    text_column: str | None
    extract: str
    long_documents: str
    max_size: int
    read_timeout: float
    per_host: int
    host_delay: float
    allow_private: bool

    def options(self, settings: Settings) -> ReadingOptions:
        """Return them as the batch keeps them."""
        return ReadingOptions(
            extract=self.extract,
            allow_private_addresses=self.allow_private or settings.allow_private_addresses,
            max_bytes=self.max_size,
            timeout_seconds=self.read_timeout,
            connections_per_host=self.per_host,
            delay_seconds=self.host_delay,
        )


@dataclass(frozen=True, kw_only=True)
class Answering:
    """The options of `answer_options`, as click hands them over."""

    model: str | None
    schema: Path | None
    fields: str | None
    concurrency: int | None
    budget: str | None
    tenant: str
    fresh: bool

    def output_schema(self) -> dict[str, Any] | None:
        """Return the JSON schema that was asked for, or None.

        Raises:
            UsageError: If there are two, or the file holds none that can be used.
        """
        from outlive.models.outputs import prepare_output, schema_for_fields

        if self.schema and self.fields:
            raise UsageError("Give --schema or --fields, not both.")
        if self.fields is not None:
            return schema_for_fields([name.strip() for name in self.fields.split(",")])
        if self.schema is None:
            return None
        try:
            schema = json.loads(self.schema.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"The schema file {str(self.schema)!r} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise UsageError(f"The schema file {str(self.schema)!r} holds no JSON: {error}.") from error
        if not isinstance(schema, dict):
            raise UsageError(f"The schema file {str(self.schema)!r} holds no JSON object, but {schema!r:.60}.")
        prepare_output(schema)
        return schema


def taken(kind: type[Any], options: dict[str, Any]) -> Any:
    """Return the options that belong to one of the groups above, and take them out of the rest."""
    names = kind.__dataclass_fields__
    return kind(**{name: options.pop(name) for name in list(options) if name in names})
