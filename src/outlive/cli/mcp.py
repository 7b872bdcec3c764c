"""``outlive mcp``: this project for an assistant."""

import asyncio

import click


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
def mcp(app: str | None) -> None:
    """Serve MODULE:APP to an assistant over standard input and output, as an MCP server.

    Engine and workers run elsewhere: `outlive up`. An assistant is told of it as a command: `outlive mcp support:app`.
    """

    async def run() -> None:
        from outlive.app import load_app
        from outlive.assistants.server import serve_stdio
        from outlive.cli.references import check_module, default_app
        from outlive.settings import Settings

        settings = Settings.load()
        reference = app or default_app(settings)
        if reference is not None:
            check_module(reference)
        await serve_stdio(lambda: load_app(reference), settings)

    asyncio.run(run())
