"""Which environment variable holds a provider's key, and which model is taken where none is named. No network."""

from dataclasses import dataclass

from outlive.names import OFFLINE_MODEL
from outlive.settings import Settings, process_environment

_VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "openai-chat": ("OPENAI_API_KEY",),
    "openai-responses": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "cerebras": ("CEREBRAS_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "azure": ("AZURE_OPENAI_API_KEY",),
    "ollama": ("OLLAMA_BASE_URL",),
}
_KEYLESS = frozenset({"ollama", "offline"})
_DEFAULTS = (
    ("OPENAI_API_KEY", "openai:gpt-5-mini"),
    ("ANTHROPIC_API_KEY", "anthropic:claude-haiku-4-5"),
    ("GOOGLE_API_KEY", "google:gemini-2.5-flash"),
    ("GEMINI_API_KEY", "google:gemini-2.5-flash"),
)


@dataclass(frozen=True, kw_only=True)
class KeyStatus:
    """What is known of a model's key without asking anyone.

    Attributes:
        variables: The environment variables that the provider reads its key from; empty where that is not known.
        is_set: Whether one of them holds something.
        is_needed: Whether calls fail without one.
    """

    model: str
    provider: str
    variables: tuple[str, ...]
    is_set: bool
    is_needed: bool

    @property
    def is_good(self) -> bool:
        """Whether nothing that can be seen from here stands in the way."""
        return self.is_set or not self.is_needed

    def describe(self) -> str:
        """Return the variables for an error message."""
        return " or ".join(self.variables) or f"the key of the provider {self.provider!r}"


def key_variables(model: str) -> KeyStatus:
    """Return what is known of the key of a model, or of a provider."""
    provider = model.partition(":")[0]
    environment = process_environment()
    variables = _VARIABLES.get(provider, ())
    is_set = any(environment.get(name) for name in variables)
    has_own_address = provider.startswith("openai") and bool(environment.get("OPENAI_BASE_URL"))
    is_needed = bool(variables) and provider not in _KEYLESS and not has_own_address
    return KeyStatus(model=model, provider=provider, variables=variables, is_set=is_set, is_needed=is_needed)


def default_model(settings: Settings) -> str:
    """Return the model that is used where nobody names one.

    ``OUTLIVE_MODEL``, else a small model of the first provider whose key is set, else `OFFLINE_MODEL`.
    """
    if settings.model:
        return settings.model
    environment = process_environment()
    for variable, model in _DEFAULTS:
        if environment.get(variable):
            return model
    return OFFLINE_MODEL
