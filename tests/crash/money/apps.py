"""What the workers of these tests serve: an agent that acts, and whose model has a price."""

from pydantic_ai import Agent

from outlive import App, Durable

PRICES = {"outside": {"input": "0.1", "output": "10"}}
CALL = 10 * 100 + 5 * 10_000
"""Billionths of a dollar that one call of the model outside comes to: 10 tokens in, 5 out."""

spender: Agent[None, str] = Agent("openai:outside", name="spender", capabilities=[Durable()])


@spender.tool_plain
def act(run: str, number: int) -> str:
    """Act."""
    return f"did {number} in {run}"


app = App("money", agents=[spender], prices=PRICES)
