"""``python -m outlive.worker [MODULE:APP]``: one worker process, until SIGTERM or until its supervisor is gone."""

import logging
import sys

from outlive.app import load_app
from outlive.errors import OutliveError
from outlive.settings import Settings
from outlive.worker.standalone import run_worker


def main() -> None:
    """Run one worker process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run_worker(load_app(sys.argv[1] if len(sys.argv) > 1 else None), Settings.load())
    except OutliveError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
