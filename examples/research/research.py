"""A research agent: reads a folder through the official MCP filesystem server, and reports what it found."""

import os
import shutil
from pathlib import Path

from fastmcp.client.transports import StdioTransport
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset

from outlive import App, Durable, idempotency_key
from outlive.errors import AppError

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("RESEARCH_FOLDER", HERE / "documents")).resolve()
NOTES = Path("notes")
READING = {"list_directory", "read_text_file", "search_files"}  # the server can write too; this agent may not

if shutil.which("npx") is None:
    raise AppError("`npx` was not found, and the filesystem server needs it. Install Node.js 18 or later")


class Finding(BaseModel):
    """One thing that was found out."""

    claim: str
    source: str


class Report(BaseModel):
    """What the research came to."""

    answer: str
    findings: list[Finding]


files = MCPToolset(
    StdioTransport("npx", ["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", str(FOLDER)]), id="files"
)
researcher = Agent(
    name="researcher",
    instructions=f"Research the question in the documents under {FOLDER}: list them, read those that matter, take a "
    "note of each finding, and report. Claim nothing that no document says.",
    output_type=Report,
    toolsets=[files.filtered(lambda _, tool: tool.name in READING)],
    capabilities=[Durable()],
)


@researcher.tool_plain
def take_note(finding: str, source: str) -> str:
    """Write a finding down, with the name of the document that it is from."""
    NOTES.mkdir(exist_ok=True)
    note = NOTES / f"{idempotency_key()}.md"  # the same key on every attempt: a note is never there twice
    note.write_text(f"{finding}\n\nSource: {source}\n", encoding="utf-8")
    return f"Noted: {finding}"


app = App("research", agents=[researcher])
