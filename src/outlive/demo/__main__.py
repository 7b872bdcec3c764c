"""``python -m outlive.demo``: the demonstration; exit status 0 only where the promise held."""

import asyncio
import sys

from outlive.demo.run import demonstrate
from outlive.errors import OutliveError
from outlive.settings import Settings

STAY = "--stay"


def main() -> int:
    """Run the demonstration and return the exit status."""
    try:
        stays = STAY in sys.argv[1:] or sys.stdout.isatty()
        return 0 if asyncio.run(demonstrate(Settings.load(), stays=stays)) else 1
    except OutliveError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    except TimeoutError:
        sys.stderr.write("The batch did not end in time. Its state and logs are in the home folder, under demo/.\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
