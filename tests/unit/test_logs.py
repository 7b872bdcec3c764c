"""What is logged of exceptions, with a key and without."""

import asyncio
import io
import logging

import pytest

from outlive.encryption.keys import generate_key
from outlive.errors import KeysInvalid
from outlive.logs import FORMAT, WithholdingFormatter, log_to_stderr
from outlive.settings import Settings

WORD = "PlantedLogQzx"


def fail_in_turn() -> None:
    try:
        {}[WORD]
    except KeyError as error:
        raise ExceptionGroup(WORD, [ValueError(WORD)]) from error


@pytest.fixture
def logged():
    """A logger of its own that writes as a worker with a key does, and what it has written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(WithholdingFormatter(FORMAT))
    loggers = [logging.getLogger("tests.withheld"), logging.getLogger("asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    loggers[0].propagate = False
    yield loggers[0], written
    for logger in loggers:
        logger.removeHandler(handler)


def test_an_exception_is_logged_by_type_and_place_alone(logged):
    logger, written = logged
    try:
        fail_in_turn()
    except ExceptionGroup:
        logger.exception("It failed %d times", 3)

    assert WORD not in written.getvalue()
    assert "It failed 3 times" in written.getvalue()
    assert "in fail_in_turn" in written.getvalue()
    for kind in ("KeyError", "ExceptionGroup", "ValueError"):
        assert kind in written.getvalue()


def test_an_exception_among_the_arguments_is_logged_by_its_type(logged):
    logger, written = logged

    logger.warning("It failed: %s", ValueError(WORD))
    logger.warning("It failed: %(why)r", {"why": OSError(WORD)})

    assert WORD not in written.getvalue()
    assert "ValueError" in written.getvalue()
    assert "OSError" in written.getvalue()


def test_what_another_formatter_has_left_in_the_record_is_not_written(logged):
    logger, written = logged
    error = ValueError(WORD)
    record = logger.makeRecord("x", logging.ERROR, "f", 1, "It failed", (), (ValueError, error, None))
    logging.Formatter().format(record)
    assert WORD in (record.exc_text or "")

    logger.handle(record)

    assert WORD not in written.getvalue()
    assert WORD in (record.exc_text or ""), "other handlers have the record as it was"


def test_exceptions_that_cause_each_other_come_to_an_end(logged):
    logger, written = logged
    one, other = ValueError(WORD), KeyError(WORD)
    one.__cause__, other.__cause__ = other, one

    logger.warning("It failed", exc_info=one)

    assert written.getvalue().count("ValueError") == 1


def test_a_task_whose_exception_nobody_took_is_logged_without_it(logged):
    _, written = logged
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    future.set_exception(ValueError(WORD))

    loop.call_exception_handler({"message": "Nobody took it", "future": future, "exception": future.exception()})
    loop.close()

    assert "Nobody took it" in written.getvalue()
    assert WORD not in written.getvalue()


@pytest.mark.parametrize(("keys", "is_withheld"), [("", False), (generate_key("k").written(), True)], ids=["no", "key"])
def test_logs_say_what_exceptions_say_only_where_there_is_no_key(keys, is_withheld, monkeypatch, capsys):
    root = logging.getLogger(f"tests.as-root.{is_withheld}")
    root.propagate = False
    monkeypatch.setattr(
        logging, "basicConfig", lambda handlers, level: (root.setLevel(level), root.addHandler(*handlers))
    )

    log_to_stderr(Settings(keys=keys))
    root.info("It failed", exc_info=ValueError(WORD))

    assert (WORD not in capsys.readouterr().err) is is_withheld


def test_keys_that_cannot_be_read_end_a_process_before_it_logs_anything():
    with pytest.raises(KeysInvalid):
        log_to_stderr(Settings(keys="nonsense"))
