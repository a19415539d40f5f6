"""What must not be read anywhere."""

import pytest

from trainwright.core.secrets import hidden, holds_secret

ENVIRONMENT = {"WANDB_API_KEY": "k3y-0123456789", "PWD": "/home/me", "MLFLOW_TRACKING_PASSWORD": "short", "HOME": "/h"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no route to http://me:hunter2@host:5000/x", "no route to http://***@host:5000/x"),
        ("postgresql+psycopg://me:p@db/trials", "postgresql+psycopg://***@db/trials"),
        ("GET https://h/a?user=me&access_token=abc&x=1", "GET https://h/a?user=me&access_token=***&x=1"),
        ("GET https://h/a?sig=a%2Fb", "GET https://h/a?sig=***"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
        ("the key k3y-0123456789 was refused", "the key *** was refused"),
        ("in /home/me", "in /home/me"),
        ("a short answer", "a short answer"),
        ("mail me@example.com about http://host/path", "mail me@example.com about http://host/path"),
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, shown: str):
    assert hidden(text, ENVIRONMENT) == shown


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("http://host:5000", False),
        ("http://me:pw@host", True),
        ("http://host?token=abc", True),
        ("sqlite:////tmp/mlflow.db", False),
        ("databricks", False),
    ],
)
def test_addresses_with_a_secret(url: str, secret: bool):
    assert holds_secret(url) is secret
