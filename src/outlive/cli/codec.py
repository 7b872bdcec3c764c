"""``outlive codec``: the endpoint that lets Temporal's Web UI show encrypted values."""

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from outlive.settings import Settings

DEFAULT_PORT = 8081


@click.command()
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Web UI that may call it, such as https://temporal.example.com; by default this project's.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; by default 8081 where it is free, else any.")
def codec(origins: tuple[str, ...], host: str, port: int | None) -> None:
    """Serve the codec endpoint until Ctrl-C, and say which address to enter in the Web UI.

    Whoever has that address can read everything that is encrypted: it holds the token, OUTLIVE_CODEC_TOKEN or one that
    is made at each start.
    """
    from outlive.settings import Settings

    asyncio.run(_serve(Settings.load(), origins=origins, host=host, port=port))


async def _serve(settings: "Settings", *, origins: tuple[str, ...], host: str, port: int | None) -> None:
    from outlive.codec_endpoint import codec_server
    from outlive.encryption.keyring import keyring_of
    from outlive.engine.ports import free_port

    if keyring_of(settings) is None:
        click.echo("OUTLIVE_KEYS is not set: only what was stored apart needs this endpoint.", err=True)
    allowed = [_origin(url) for url in origins] or _own_origins(settings)
    token = _token(settings)
    at = free_port(preferred=DEFAULT_PORT) if port is None else port
    server = codec_server(settings, token=token, origins=allowed, host=host, port=at)
    click.echo(
        f"Web UI:   enter http://{host}:{at}/{token} as codec server (its glasses icon), for {', '.join(allowed)}"
    )
    click.echo(f"temporal: --codec-endpoint http://{host}:{at} --codec-auth 'Bearer {token}'")
    await server.serve()


def _token(settings: "Settings") -> str:
    from outlive.codec_endpoint import SHORTEST_TOKEN
    from outlive.errors import SettingError

    if not settings.codec_token:
        return secrets.token_urlsafe(32)
    if len(settings.codec_token) < SHORTEST_TOKEN or not settings.codec_token.isascii():
        raise SettingError(
            f"OUTLIVE_CODEC_TOKEN is shorter than {SHORTEST_TOKEN} characters, or not ASCII. Take a longer one."
        )
    return settings.codec_token


def _own_origins(settings: "Settings") -> list[str]:
    from outlive.engine.home import Home

    state = Home(settings.home).live_state()
    if state is None:
        raise click.UsageError("No engine of this project runs. Name the Web UI with --origin.")
    own = urlsplit(state.ui_address)
    return [f"http://{host}:{own.port}" for host in ("localhost", "127.0.0.1")]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise click.BadParameter(f"{url!r} is no address of a web page. Give one such as https://temporal.example.com.")
    return f"{parts.scheme}://{parts.netloc}"
