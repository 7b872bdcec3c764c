import pytest

from outlive.errors import ModelUnusable
from outlive.models.keys import default_model, key_variables
from outlive.settings import Settings

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_BASE_URL")


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def test_without_any_key_the_offline_model_is_taken(no_keys):
    assert default_model(Settings()) == "offline:extractive"


def test_a_setting_beats_every_key(no_keys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk")

    assert default_model(Settings(model="ollama:llama3.2")) == "ollama:llama3.2"


@pytest.mark.parametrize(
    ("variable", "provider"), [(KEYS[0], "openai:"), (KEYS[1], "anthropic:"), (KEYS[2], "google:")]
)
def test_the_first_provider_whose_key_is_set_is_taken(no_keys, monkeypatch, variable, provider):
    monkeypatch.setenv(variable, "sk")

    assert default_model(Settings()).startswith(provider)


def test_the_state_of_a_key_is_known_without_asking(no_keys, monkeypatch):
    assert not key_variables("openai:gpt-5-mini").is_good
    assert key_variables("offline:extractive").is_good
    assert key_variables("ollama:llama3.2").is_good
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert key_variables("openai:gpt-5-mini").is_good


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("model", ["openai:gpt-4o-mini", "anthropic:claude-haiku-4-5"])
async def test_a_refused_key_is_found_before_anything_is_paid(provider, models, model, status):
    provider.script = [provider.sends(status, {"error": {"message": "bad key"}})]

    with pytest.raises(ModelUnusable, match=f"status {status}.*API_KEY"):
        await models.check(model)

    assert provider.requests == [{"path": f"/v1/models/{model.partition(':')[2]}"}]


@pytest.mark.parametrize("reply", [(200, {"id": "x"}), (404, {"error": {"message": "?"}}), (500, {}), (200, "<html>")])
async def test_what_stays_unclear_is_let_pass(provider, models, reply):
    provider.script = [provider.sends(*reply)]

    await models.check("openai:gpt-4o-mini")

    assert len(provider.requests) == 1


async def test_a_key_that_may_only_complete_is_let_pass(provider, models):
    provider.script = [provider.sends(403, {"error": {"message": "Missing scopes: api.model.read"}})]

    await models.check("openai:gpt-4o-mini")


async def test_a_server_that_is_not_there_is_let_pass(models, monkeypatch, unused_port):
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{unused_port}/v1")

    await models.check("openai:gpt-4o-mini")


async def test_a_model_is_built_once(provider, models):
    first = await models.pydantic_ai_model("openai:gpt-4o-mini")

    assert await models.pydantic_ai_model("openai:gpt-4o-mini") is first


async def test_a_stream_without_its_end_is_an_error_for_every_chat_model(provider, models):
    for name in ("openai:gpt-4o-mini", "ollama:llama3.2"):
        profile = (await models.pydantic_ai_model(name)).profile
        assert profile["openai_chat_streaming_requires_finish_reason"] is True


async def test_the_context_of_a_known_model_is_known_and_of_another_the_setting(provider, models):
    assert await models.context_tokens("openai:gpt-4o-mini") == 128_000
    assert await models.context_tokens("anthropic:claude-haiku-4-5") == 200_000
    assert await models.context_tokens("openai:house-blend") == models.settings.context_tokens


async def test_a_missing_package_is_named(models, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "x")

    with pytest.raises(ModelUnusable, match=r"pydantic-ai-slim\[groq\]"):
        await models.prepare("groq:llama")
