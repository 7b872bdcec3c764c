"""What `deploy/` names exists: commands, settings, ports; and a worker is given the time that it may drain for."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from outlive.cli.main import cli
from outlive.settings import PREFIX, Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
AFTER_DRAINING = 10  # seconds that a worker may take beyond its drain timeout
TEMPORAL = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY"}


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def manifests() -> dict[str, dict[str, Any]]:
    """The Kubernetes objects that are applied, by kind and component, and the secret's example."""
    folder = DEPLOY / "kubernetes"
    names = [*yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"], "secrets.example.yaml"]
    found = [one for name in names for one in yaml.safe_load_all((folder / name).read_text())]
    return {f"{one['kind']}/{one['metadata']['name'].rpartition('-')[2]}": one for one in found}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its arguments in one line."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in lines)]


def image_environment() -> dict[str, str]:
    set_here = [rest for word, rest in instructions() if word == "ENV"]
    return dict(pair.split("=", 1) for line in set_here for pair in shlex.split(line))


def environments() -> Iterator[tuple[str, dict[str, str]]]:
    kinds = manifests()
    yield "image", image_environment()
    yield "compose", compose()["worker"]["environment"]
    yield "compose's console", compose()["console"]["environment"]
    yield "kubernetes", kinds["ConfigMap/settings"]["data"] | kinds["Secret/secrets"]["stringData"]


def pod(component: str = "worker") -> dict[str, Any]:
    return manifests()[f"Deployment/{component}"]["spec"]["template"]["spec"]


@pytest.mark.parametrize(("place", "environment"), [*environments()])
def test_every_setting_is_one_and_takes_its_value(place: str, environment: dict[str, str]):
    values = {name: re.sub(r"\$\{[^}]*\}", "0123456789abcdef", value) for name, value in environment.items()}

    Settings.load({name: value for name, value in values.items() if name.startswith(PREFIX)})
    assert {name for name in values if name.startswith("TEMPORAL_")} <= TEMPORAL


@pytest.mark.parametrize(
    "arguments",
    [
        json.loads(next(rest for word, rest in instructions() if word == "CMD")),
        [re.sub(r"\$\{.*\}", "support:app", part) for part in compose()["worker"]["command"]],
        [re.sub(r"\$\{.*\}", "support:app", part) for part in compose()["console"]["command"]],
        pod()["containers"][0]["args"],
        pod("console")["containers"][0]["args"],
    ],
    ids=["image", "compose", "compose's console", "kubernetes", "kubernetes' console"],
)
def test_every_command_is_one_with_these_arguments(arguments: list[str]):
    command = cli.get_command(click.Context(cli), arguments[0])

    assert command is not None
    command.make_context(arguments[0], arguments[1:])


def test_a_stopping_worker_gets_more_time_than_it_may_drain_for():
    grace = float(compose()["worker"]["stop_grace_period"].removesuffix("s"))
    drain = {place: float(values.get("OUTLIVE_DRAIN_TIMEOUT", 0)) for place, values in environments()}

    assert grace >= drain["compose"] + AFTER_DRAINING
    assert pod()["terminationGracePeriodSeconds"] >= drain["kubernetes"] + AFTER_DRAINING
    assert drain["image"] == 0  # whoever runs it sets it


def test_probes_and_metrics_are_where_the_image_serves_them():
    environment, container = image_environment(), pod()["containers"][0]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    probes = [container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    annotations = manifests()["Deployment/worker"]["spec"]["template"]["metadata"]["annotations"]

    assert environment["OUTLIVE_BIND"] == "0.0.0.0"
    assert ports == {"health": environment["OUTLIVE_HEALTH_PORT"], "metrics": environment["OUTLIVE_METRICS_PORT"]}
    assert annotations["prometheus.io/port"] == ports["metrics"]
    assert [(probe["path"], probe["port"]) for probe in probes] == [
        ("/readyz", "health"),
        ("/readyz", "health"),
        ("/healthz", "health"),
    ]


def test_the_scaler_watches_the_queue_that_the_workers_poll():
    settings = manifests()["ConfigMap/settings"]["data"]
    scaler = manifests()["ScaledObject/worker"]["spec"]
    watched = [trigger["metadata"] for trigger in scaler["triggers"] if trigger["type"] == "temporal"]

    assert scaler["scaleTargetRef"]["name"] == manifests()["Deployment/worker"]["metadata"]["name"]
    assert {one["queueTypes"] for one in watched} == {"activity", "workflow"}
    for one in watched:
        assert (one["endpoint"], one["namespace"], one["taskQueue"]) == (
            settings["TEMPORAL_ADDRESS"],
            settings["TEMPORAL_NAMESPACE"],
            settings["OUTLIVE_TASK_QUEUE"],
        )


def test_the_console_is_reached_where_it_listens():
    arguments, container = compose()["console"]["command"], pod("console")["containers"][0]
    port = str(container["ports"][0]["containerPort"])
    service = manifests()["Service/console"]["spec"]
    labels = manifests()["Deployment/console"]["spec"]["template"]["metadata"]["labels"]

    assert arguments[-4:] == container["args"][-4:] == ["--host", "0.0.0.0", "--port", port]
    assert compose()["console"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert service["selector"] == labels
    assert arguments[0] == container["args"][0] == "console"
    assert service["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_temporals_web_ui_is_reached_through_the_console_alone():
    ui, path = compose()["temporal-ui"], urlsplit(compose()["console"]["environment"]["OUTLIVE_TEMPORAL_UI"]).path

    assert path == ui["environment"]["TEMPORAL_UI_PUBLIC_PATH"]
    assert "ports" not in ui


def test_the_budget_and_the_deployment_select_the_same_pods():
    kinds = manifests()
    labels = kinds["Deployment/worker"]["spec"]["template"]["metadata"]["labels"]

    assert kinds["Deployment/worker"]["spec"]["selector"]["matchLabels"] == labels
    assert kinds["PodDisruptionBudget/worker"]["spec"]["selector"]["matchLabels"] == labels


def test_no_process_runs_as_root_nor_writes_beside_its_folders():
    container, environment = pod()["containers"][0], image_environment()
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    user = [rest for word, rest in instructions() if word == "USER"][-1]

    assert user == str(pod()["securityContext"]["runAsUser"]) != "0"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert environment["OUTLIVE_HOME"] in mounted


def test_what_the_image_copies_is_there_and_not_ignored():
    context = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    sources = [source for sources in copied for source in sources if "$" not in source]

    assert len(sources) == 5
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in context
