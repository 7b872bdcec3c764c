"""What `outlive demo` promises, on fewer documents: it finishes, and its verdict comes from two separate books."""

from pathlib import Path

import pytest

from outlive.demo.run import demonstrate
from outlive.settings import Settings

pytestmark = pytest.mark.embedded


async def test_a_demonstration_survives_two_dead_workers_and_a_dead_engine(tmp_path: Path, capfd):
    holds = await demonstrate(Settings(home=tmp_path), documents=130)

    printed = capfd.readouterr().out
    assert holds, printed
    assert printed.count("kill -9") == 3
    assert "130   of 130 documents done" in printed
    assert len((tmp_path / "demo" / "results.jsonl").read_text().splitlines()) == 130
