"""``python -m outlive.worker [MODULE:APP]``: one worker process, until SIGTERM or until its supervisor is gone."""

import sys

from outlive.app import load_app
from outlive.errors import OutliveError
from outlive.logs import log_to_stderr
from outlive.settings import Settings
from outlive.worker.standalone import run_worker


def main() -> None:
    """Run one worker process."""
    try:
        settings = Settings.load()
        log_to_stderr(settings)
        run_worker(load_app(sys.argv[1] if len(sys.argv) > 1 else None), settings)
    except OutliveError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
