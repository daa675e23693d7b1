from __future__ import annotations

import pytest

import headway
from headway.sdk.outbox import Outbox
from tests.sdk.receiver import KEY, Receiver

# Put together here so that nothing in this file looks like a key to those who search for keys.
TOKEN = "abcdefghij" * 4


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2 and on", "password=[redacted] and on"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": [redacted], "n": 1}'),
        ("client_secret: 'a b c'", "client_secret: [redacted]"),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("headers={'Authorization': 'Basic dXNlcg=='}", "headers={'Authorization': '[redacted]'}"),
        (f"curl -H 'X: Bearer {TOKEN}'", "curl -H 'X: Bearer [redacted]'"),
        ("Cookie: session=1; other=2", "Cookie: [redacted]"),
        ("--token abc --verbose", "--token [redacted] --verbose"),
        ("postgresql://ada:lovelace@db/x", "postgresql://ada:[redacted]@db/x"),
        (f"key sk-{TOKEN} used", "key [redacted] used"),
        (f"hw_{TOKEN}", "[redacted]"),
        (f"ghp_{TOKEN}", "[redacted]"),
        (f"eyJ{TOKEN}.{TOKEN}.{TOKEN}", "[redacted]"),
        (f"AWS_SECRET_ACCESS_KEY={TOKEN}", "AWS_SECRET_ACCESS_KEY=[redacted]"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nrest", "[redacted]\nrest"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert headway.redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "input_tokens=512, output tokens: 128",
        "max_tokens: 4096",
        "the password was changed",
        "monkey business: 3 keys",
        "https://example.org/path?page=2",
        "author: Ada; authored by Ada",
        "skipped sk-1",
        "",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert headway.redact(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "x", "-", "_", ".", "a-", "eyJ-", "eyJ", "sk-", "://", "://a:", "password", "password ", "token: ",
        "-----BEGIN ", "Bearer ", "authorization ", "cookie:", "\"", "key='", "=", "@", " ", "\n",
    ],
)  # fmt: skip
def test_no_text_takes_for_ever(piece: str) -> None:
    headway.redact(f"a: {piece * (250_000 // len(piece))}")


def test_messages_stacks_and_data_are_redacted_before_they_are_written(
    outbox: Outbox, receiver: Receiver
) -> None:
    task = headway.create_task("secretive", input={"db": {"password": "p", "host": "h"}, "n_tokens": 5})
    task.progress(1, "token=abc")
    task.log("Authorization: Bearer abcdefgh", data=["password=p", {"api-key": "k", "Authorization": "b"}])
    try:
        raise ValueError("password=hunter2")
    except ValueError as error:
        task.fail(error)

    assert headway.flush()
    assert receiver.one("created")["input"] == {
        "db": {"password": "[redacted]", "host": "h"},
        "n_tokens": 5,
    }
    assert receiver.one("progress")["message"] == "token=[redacted]"
    log = receiver.one("log")
    assert log["message"] == "Authorization: [redacted]"
    assert log["data"] == ["password=[redacted]", {"api-key": "[redacted]", "Authorization": "[redacted]"}]
    assert "hunter2" not in str(receiver.one("failed"))


def test_the_redactor_can_be_replaced(outbox: Outbox, receiver: Receiver) -> None:
    headway.configure(
        url=receiver.url,
        api_key=KEY,
        spool_dir=outbox.config.spool_dir,
        redact=lambda text: text.replace("Ada", "A."),
    )
    with headway.task("named") as task:
        task.log("Ada said password=x")
    assert headway.flush()

    assert receiver.one("log")["message"] == "A. said password=x"


def test_a_redactor_that_fails_lets_nothing_through(
    outbox: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(text: str) -> str:
        raise LookupError(text)

    headway.configure(url=receiver.url, api_key=KEY, spool_dir=outbox.config.spool_dir, redact=broken)
    with headway.task("named") as task:
        task.log("Ada")
    assert headway.flush()

    assert receiver.one("log")["message"] == "[redacted]"
    assert "the redactor failed" in caplog.text
