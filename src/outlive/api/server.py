"""The API's server: which addresses it takes, and how it stops."""

import gc
import ipaddress

import uvicorn
from starlette.types import ASGIApp

from outlive.api.access import tokens_of
from outlive.api.application import create_api
from outlive.app import App
from outlive.engine.ports import LOOPBACK, free_port
from outlive.errors import SettingError
from outlive.settings import Settings

DEFAULT_PORT = 8234
STOP_SECONDS = 3  # that long polls and event streams have to end; who follows goes on at the next server
MOST_CONNECTIONS = 1_000
MOST_HEADERS_BYTES = 65_536


def check_host(host: str, settings: Settings) -> None:
    """Refuse to serve other machines without a token.

    Raises:
        SettingError: If the address is not one of this machine alone, and there is no token.
    """
    if not tokens_of(settings) and not _is_loopback(host):
        raise SettingError(
            f"The API is not served at {host!r} without a token: anybody could start runs. "
            "Set OUTLIVE_API_TOKEN, or serve 127.0.0.1."
        )


def port_for(settings: Settings, *, taken: frozenset[int] = frozenset()) -> int:
    """Return the port that the settings name, else 8234 where it is free, else any free one."""
    return settings.api_port or free_port(preferred=DEFAULT_PORT, taken=taken)


def url_of(host: str, port: int) -> str:
    """Return the address of a server for a person."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def api_server(app: App, settings: Settings, *, host: str = LOOPBACK, port: int) -> uvicorn.Server:
    """Return the server of an app's API; ``await server.serve()`` serves until SIGTERM or Ctrl-C.

    Raises:
        SettingError: If the address is not one of this machine alone, and there is no token.
    """
    return uvicorn.Server(configured(create_api(app, settings), settings, host=host, port=port))


def configured(application: ASGIApp, settings: Settings, *, host: str, port: int) -> uvicorn.Config:
    """Return how an application is served that the settings' tokens guard.

    Raises:
        SettingError: If the address is not one of this machine alone, and there is no token.
    """
    check_host(host, settings)
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        log_config=None,  # as the process has it: its own handlers would write what exceptions say
        server_header=False,
        proxy_headers=False,  # whoever calls from loopback could else claim to be anybody
        lifespan="on",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=MOST_HEADERS_BYTES,
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def spare_imports() -> None:
    """Leave what this process has imported out of garbage collections, each of which would stop all pages for 0.1 s.

    For a process that only serves, once it has imported its app.
    """
    gc.collect()
    gc.freeze()
