"""``python -m outlive.console PORT [MODULE:APP]``: the console beside `outlive up`, until that is gone."""

from outlive.api.__main__ import main
from outlive.console.server import console_server

if __name__ == "__main__":
    main(console_server)
