"""What ``outlive doctor`` looks at in an app: its import, its agents, the keys of its models."""

from typing import Any

from outlive.app import App, load_app
from outlive.cli.findings import Finding, State
from outlive.errors import AppError
from outlive.models.keys import default_model, key_variables
from outlive.names import OFFLINE_MODEL
from outlive.settings import Settings


def app_findings(settings: Settings, reference: str | None) -> list[Finding]:
    """Import an app, and look at its agents and at the models that it names; without one, at the default model."""
    try:
        app = load_app(reference)
    except AppError as error:
        return [Finding(name="app", state=State.FAULT, found=str(error))]
    except Exception as error:  # noqa: BLE001 - the user's module, imported: whatever it raises is the finding
        found = f"{reference!r} cannot be imported: {type(error).__name__}: {error}"
        return [Finding(name="app", state=State.FAULT, found=found, mend="Mend the module, then try again.")]
    agents = {name: _model_of(agent) for name, agent in sorted(app.registry.agents.items())}
    return [
        *(_agent(name, model, settings) for name, model in agents.items()),
        *_undeclared(app),
        *(_model(name) for name in _models_in_use(settings, app, [*agents.values()])),
    ]


def _agent(name: str, model: Any, settings: Settings) -> Finding:
    """Say with what a durable agent answers: an app takes no other."""
    said = f"{default_model(settings)} (no model of its own)" if model is None else _name_of(model)
    return Finding(name="agent", state=State.GOOD, found=f"{name}: durable, model {said}")


def _undeclared(app: App) -> list[Finding]:
    """Name the tools that say nothing of what a repeat of them may do."""
    if not app.registry.agents:
        return []
    from outlive.agents.catalog import undeclared

    found = [
        f"{name}: {', '.join(tools)}" for name, agent in app.registry.agents.items() if (tools := undeclared(agent))
    ]
    if not found:
        return []
    return [
        Finding(
            name="effects",
            state=State.NOTE,
            found=f"tools that declare no effect policy, and are repeated under the same key: {'; '.join(found)}",
            mend="Declare those that change something with @effect(...); see docs/effects.md.",
        )
    ]


def _model_of(agent: Any) -> Any:
    return agent.model


def _name_of(model: Any) -> str:
    if isinstance(model, str):
        return model
    return f"{model.system}:{model.model_name} (made by the app, with its own key)"


def _models_in_use(settings: Settings, app: App, of_agents: list[Any]) -> list[str]:
    names = {default_model(settings)}
    names |= {batch.model for batch in app.registry.batches.values() if batch.model}
    names |= {model for model in of_agents if isinstance(model, str)}
    return sorted(names)


def _model(name: str) -> Finding:
    status = key_variables(name)
    if name == OFFLINE_MODEL:
        found = f"{name}: works without a key, and only extracts sentences"
        mend = "Set a provider's key, such as OPENAI_API_KEY, or name a model with --model or OUTLIVE_MODEL."
        return Finding(name="model", state=State.NOTE, found=found, mend=mend)
    if status.is_good:
        key = f"{status.describe()} is set" if status.is_set else "needs no key"
        return Finding(name="model", state=State.GOOD, found=f"{name}: {key}")
    found = f"{name}: {status.describe()} is not set"
    return Finding(name="model", state=State.FAULT, found=found, mend=f"Set {status.describe()}.")
