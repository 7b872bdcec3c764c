"""A batch of your own: one async function, a type for its result, and an app."""

from pydantic import BaseModel

from outlive import App, Document, Llm

app = App("docs")


class Analysis(BaseModel):
    """What is wanted of each document."""

    summary: str
    topics: list[str]


@app.batch(concurrency=64)
async def analyze(document: Document, llm: Llm) -> Analysis:
    """Summarise the document in two sentences and name its topics."""
    answer: Analysis = await llm(document.text)
    return answer
