"""The batch function that every benchmark runs, and what it asks for."""

from pydantic import BaseModel

from outlive import App, Document, Llm

MODEL = "openai:gpt-4o-mini"
INSTRUCTION = "Summarise the document in two sentences and name its topics."

app = App("bench")


class Analysis(BaseModel):
    """What is asked of each document."""

    summary: str
    topics: list[str]


def prompt(uri: str, text: str) -> str:
    """Return the text for the model, with the mark by which the counting model server knows the document."""
    return f"[document {uri}]\n{text}"


@app.batch()
async def analyze(document: Document, llm: Llm) -> Analysis:
    """Summarise the document in two sentences and name its topics."""
    answer: Analysis = await llm(prompt(document.uri, document.text))
    return answer
