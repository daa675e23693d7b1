from __future__ import annotations

import logging

import pytest

import headway
from headway.sdk.outbox import Outbox
from tests.sdk.receiver import Receiver


@pytest.fixture
def logger() -> logging.Logger:
    found = logging.Logger("a.program")  # not part of the tree, so that only this handler sees its records
    found.addHandler(headway.LoggingHandler())
    return found


def test_records_go_to_the_log_of_the_current_task(
    outbox: Outbox, receiver: Receiver, logger: logging.Logger
) -> None:
    logger.info("outside of every task")
    with headway.task("logs"):
        logger.debug("one %s", 1)
        logger.critical("two, password=x")
        logger.log(25, "between info and warning")
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("three")

    assert headway.flush()
    logs = receiver.of_kind("log")
    assert [(fact["level"], fact["message"]) for fact in logs] == [
        ("debug", "one 1"),
        ("critical", "two, password=[redacted]"),
        ("info", "between info and warning"),
        ("error", "three"),
    ]
    assert logs[0]["data"]["logger"] == "a.program"
    assert logs[0]["data"]["file"].endswith("test_logging.py")
    assert "ValueError: broken" in logs[3]["data"]["stack"]


def test_a_record_that_cannot_be_formatted_is_left_to_logging_itself(
    outbox: Outbox, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    with headway.task("logs"):
        logger.info("%d", "not a number")

    assert "--- Logging error ---" in capsys.readouterr().err


def test_what_the_sdk_logs_of_itself_does_not_come_back_to_it(outbox: Outbox, receiver: Receiver) -> None:
    handler = headway.LoggingHandler()
    logging.getLogger().addHandler(handler)
    with headway.task("quiet"):
        logging.getLogger("headway").warning("the spool is full")
    logging.getLogger().removeHandler(handler)

    assert headway.flush()
    assert receiver.of_kind("log") == []
