"""The command line's manners: quick help, one line and status 2 for a mistake, never a traceback."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from outlive.cli.main import COMMANDS, main

HEAVY = {"temporalio", "pydantic_ai", "sqlalchemy", "aiohttp", "openai", "pydantic"}
PROBE = """
import sys
from outlive.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project's folder with two documents, a schema that is none, and no key set."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Birds sing.")
    (tmp_path / "docs" / "b.txt").write_text("Trees stand.")
    (tmp_path / "rows.csv").write_text("id,link\n1,http://a/\n")
    (tmp_path / "no.json").write_text("{nothing")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "bad.json").write_text('{"type": "nonsense"}')
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return tmp_path


@pytest.fixture
def outlive(folder, capsys):
    """Run the command line in this process; return its exit status and what it wrote."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run


def last_line(text):
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    ended = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=False)

    assert ended.returncode == 0
    assert not HEAVY & set(ended.stderr.split())


def test_help_names_every_command(outlive):
    status, out, _ = outlive("--help")

    assert status == 0
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    "command", ["analyze", "batch", "cancel", "chat", "decide", "doctor", "engine", "init", "run", "say", "up"]
)
def test_every_command_explains_itself(outlive, command):
    status, out, _ = outlive(command, "--help")

    assert status == 0
    assert out.startswith(f"Usage: outlive {command} ")


ANALYZE = ("analyze", "docs", "Summarise.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("frob",), "No such command 'frob'. `outlive --help` shows what there is."),
        (("analyze", "--frob"), "No such option '--frob'"),
        (("analyze",), "Missing argument 'SOURCE'. `outlive analyze --help` shows what there is."),
        (("analyze", "docs"), "Missing argument 'INSTRUCTION'"),
        (("analyze", "nope", "x"), "There is no file or folder 'nope'"),
        (("analyze", "rows.csv", "x", "--column", "url"), "'url'"),
        (("analyze", "-", "x"), "Standard input is empty"),
        ((*ANALYZE, "--column", "x"), "'docs' has no columns"),
        ((*ANALYZE, "--schema", "missing.json"), "The schema file 'missing.json' cannot be read"),
        ((*ANALYZE, "--schema", "no.json"), "The schema file 'no.json' holds no JSON"),
        ((*ANALYZE, "--schema", "list.json"), "The schema file 'list.json' holds no JSON object"),
        ((*ANALYZE, "--schema", "bad.json"), "'nonsense'"),
        ((*ANALYZE, "--schema", "no.json", "--fields", "a"), "Give --schema or --fields, not both"),
        ((*ANALYZE, "--fields", "a,,b"), "No field name in 'a,,b'"),
        ((*ANALYZE, "--model", "foo"), "'foo' is not a model name"),
        ((*ANALYZE, "--model", "openai:gpt-5-mini"), "OPENAI_API_KEY"),
        ((*ANALYZE, "--concurrency", "0"), "Invalid value for '--concurrency'"),
        ((*ANALYZE, "--max-size", "huge"), "'huge' is not a size"),
        ((*ANALYZE, "-o", "nowhere/out.jsonl"), "The folder of 'nowhere/out.jsonl' does not exist"),
        ((*ANALYZE, "-o", "out.xyz"), "The ending of 'out.xyz' names no format"),
        ((*ANALYZE, "-o", "docs"), "docs"),
        (("batch", "status", "x"), "No batch was ever started here"),
        (("batch", "watch", "x"), "No batch was ever started here"),
        (("batch", "pause", "x"), "No batch was ever started here"),
        (("batch", "results", "x"), "No batch was ever started here"),
        (("batch", "set", "x"), "Give --concurrency, --budget or both."),
        (("batch", "set", "x", "--concurrency", "0"), "Invalid value for '--concurrency'"),
        (("batch", "start", "f", "docs"), "No batch function 'f' is declared"),
        (("batch", "start", "f", "docs", "--app", "no_such_module_here:app"), "No module 'no_such_module_here'"),
        (("up", "no_such_module_here:app"), "No module 'no_such_module_here'"),
        (("run", "assistant"), "Missing argument 'PROMPT'"),
        (("run", "assistant", "Hi"), "there is no app.py in"),
        (("run", "assistant", "Hi", "--app", "no_such_module_here:app"), "No module 'no_such_module_here'"),
        (("chat", "assistant"), "Write one with `outlive init`, or name yours with --app MODULE:APP."),
        (("say", "x", "Hi"), "there is no app.py in"),
        (("decide", "x", "perhaps"), "'perhaps' is not one of 'retry', 'tell'"),
        (("cancel", "x"), "there is no app.py in"),
    ],
)
def test_a_mistake_ends_with_status_2_and_one_line_before_anything_is_started(outlive, folder, arguments, said):
    status, out, err = outlive(*arguments)

    assert (status, out) == (2, "")
    assert last_line(err).startswith("Error: ")
    assert said in last_line(err)
    assert len(err.splitlines()) - err.count("Model offline:extractive") == 1
    assert not (folder / ".outlive" / "engine.json").exists()
    assert not list(folder.glob("out*"))


def test_an_unknown_batch_is_said_to_be_unknown(outlive, folder):
    assert outlive("batch", "start", "outlive.analyze", "docs", "--id", "x")[0] == 1  # makes the ledger

    for command in (("status", "y"), ("results", "y"), ("retry-failed", "y"), ("set", "y", "--concurrency", "3")):
        status, _, err = outlive("batch", *command)

        assert status == 2
        assert err == "Error: Unknown batch 'y'. `outlive batch list` shows those of this project.\n"


def test_without_an_engine_nothing_is_written_down_and_what_to_do_is_said(outlive):
    status, _, err = outlive("batch", "start", "outlive.analyze", "docs", "--instruction", "x")

    assert status == 1
    assert "Start one there with `outlive up`" in last_line(err)
    assert outlive("batch", "list")[1] == ""


def test_an_empty_project_lists_no_batches_and_stays_empty(outlive, folder):
    assert outlive("batch", "list") == (
        0,
        "",
        'No batches yet. Start one with `outlive analyze SOURCE "INSTRUCTION"`.\n',
    )
    assert outlive("batch", "list", "--json") == (0, "[]\n", "")
    assert not (folder / ".outlive").exists()


def test_a_state_folder_that_cannot_be_made_is_named(outlive, folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("OUTLIVE_HOME", str(folder / "file" / "state"))

    status, _, err = outlive(*ANALYZE)

    assert status == 1
    assert last_line(err).startswith(f"Error: The state folder '{folder}/file/state' cannot be used: Not a directory.")


def test_a_wrong_setting_is_refused_by_every_command(outlive, monkeypatch):
    monkeypatch.setenv("OUTLIVE_PORT", "-1")

    for arguments in (ANALYZE, ("batch", "list"), ("doctor",), ("up",), ("engine", "status")):
        assert outlive(*arguments)[::2] == (
            2,
            "Error: OUTLIVE_PORT is -1. It must be at least 0 and at most 65,535.\n",
        )


def test_an_app_that_raises_is_named_with_its_line(outlive, folder):
    (folder / "raising_app.py").write_text("x = 1\n1 / 0\n")

    status, _, err = outlive("batch", "start", "f", "docs", "--app", "raising_app:app")

    assert status == 2
    assert f"{Path('raising_app.py')}, line 2: ZeroDivisionError: division by zero." in last_line(err)


@pytest.mark.parametrize(
    "command",
    ["runs", "desk", "spend", "plan list", "schedule list", "show one", "deliveries list", "clean", "clean --dry-run"],
)
def test_looking_where_nothing_ever_ran_creates_nothing(outlive, folder, monkeypatch, command):
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    status, _, err = outlive(*command.split())

    assert status == 2
    assert "Nothing was ever run here" in err
    assert not (folder / ".outlive").exists()
