"""``outlive console``: the web pages, until Ctrl-C."""

import asyncio

import click


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; any other needs OUTLIVE_API_TOKEN.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port.  [8234, or any free one]")
def console(app: str | None, host: str, port: int | None) -> None:
    """Serve the console and the HTTP API of MODULE:APP; engine and workers run elsewhere. `outlive up` serves it too.

    People of this machine are served. With OUTLIVE_API_TOKEN set, or the token of another role, whoever signs in is.
    """

    async def run() -> None:
        from outlive.api.server import port_for, spare_imports, url_of
        from outlive.app import load_app
        from outlive.cli.references import check_module, default_app
        from outlive.console.server import console_server
        from outlive.settings import Settings

        settings = Settings.load()
        reference = app or default_app(settings)
        if reference is not None:
            check_module(reference)
        chosen = port or port_for(settings)
        server = console_server(load_app(reference), settings, host=host, port=chosen)
        click.echo(f"Console      {url_of(host, chosen)}/", err=True)
        click.echo(f"API          {url_of(host, chosen)}/v1 (described by /openapi.json)", err=True)
        spare_imports()
        await server.serve()

    asyncio.run(run())
