"""The activity of the published pattern: read one document and ask a model for a summary."""

import os

import aiohttp
from temporalio import activity

INSTRUCTION = "Summarise the document in two sentences."


@activity.defn
async def analyze_document(url: str) -> str:
    """Return the summary of the document at a URL.

    Without ``OPENAI_BASE_URL`` no model is asked: the first sentences stand for the summary.
    """
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            response.raise_for_status()
            text = await response.text()
        base_url = os.environ.get("OPENAI_BASE_URL")
        if not base_url:
            return text[:200]
        body = {
            "model": os.environ.get("MODEL", "gpt-5-mini"),
            "messages": [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}],
        }
        headers = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"}
        async with session.post(f"{base_url}/chat/completions", json=body, headers=headers) as response:
            response.raise_for_status()
            answer = await response.json()
    summary: str = answer["choices"][0]["message"]["content"]
    return summary
