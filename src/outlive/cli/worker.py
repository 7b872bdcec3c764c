"""``outlive worker``: one worker process, as a container or a service manager runs it."""

import click


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option("--health-port", type=click.IntRange(0, 65_535), help="Answer /healthz and /readyz there.")
@click.option("--metrics-port", type=click.IntRange(0, 65_535), help="Serve Prometheus metrics there.")
@click.option("--promote", is_flag=True, help="Let new runs begin on this version as soon as it polls.")
@click.option("--exit-when-drained", is_flag=True, help="End once no run needs this version any more.")
def worker(
    app: str | None, health_port: int | None, metrics_port: int | None, promote: bool, exit_when_drained: bool
) -> None:
    """Run one worker process for the app MODULE:APP, until SIGTERM.

    It serves the cluster that TEMPORAL_ADDRESS or a profile names, or else this project's engine, which must be up.

    SIGTERM or Ctrl-C lets it drain: what is in flight has OUTLIVE_DRAIN_TIMEOUT seconds, and is handed back to other
    workers where that does not do. A second one ends it at once.

    With OUTLIVE_VERSIONING it serves a version of the app's code: see `outlive workers --help`.
    """
    from dataclasses import replace

    from outlive.app import load_app
    from outlive.cli.references import check_module, default_app
    from outlive.logs import log_to_stderr
    from outlive.settings import Settings
    from outlive.worker.standalone import run_worker
    from outlive.worker.versions import build_of

    settings = Settings.load()
    settings = replace(
        settings,
        promote=promote or settings.promote,
        exit_when_drained=exit_when_drained or settings.exit_when_drained,
    )
    app = app or default_app(settings)
    if app is not None:
        check_module(app)
    log_to_stderr(settings)
    run_worker(
        load_app(app),
        settings,
        health_port=settings.health_port if health_port is None else health_port,
        metrics_port=settings.metrics_port if metrics_port is None else metrics_port,
        build=build_of(app, settings) if settings.versioning else "",
    )
