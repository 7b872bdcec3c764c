"""``python -m outlive.console.describe FILE``: write what the console's pages are typed against, its OpenAPI."""

import json
import sys
from pathlib import Path

from outlive.api.access import Access
from outlive.app import App
from outlive.console.application import console_api
from outlive.console.parts import Parts
from outlive.console.temporal_ui import TemporalUi
from outlive.settings import Settings


def description() -> str:
    """Return the OpenAPI description as JSON, always the same for the same code."""
    settings = Settings()
    parts = Parts(access=Access(settings), temporal_ui=TemporalUi(settings), demo=None)
    found = console_api(App("outlive"), settings, parts).openapi()
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write it into the file that is named, or to standard output."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(description(), encoding="utf-8")
    else:
        sys.stdout.write(description())


if __name__ == "__main__":
    main()
