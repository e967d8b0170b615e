"""Source lines beside a failure show the code, and none of the secrets that are written into it."""

from __future__ import annotations

import textwrap

import pytest

from shared.runtime.source_lines import is_secret_name, shown_lines, without_password


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_pwd",
        "dbPwd",
        "dsn",
        "DB_DSN",
        "pin",
        "user_pin",
        "bearer",
        "jwt",
        "idJwt",
        "api_key",
        "apiKey",
        "token",
        "access_token",
        "connection_string",
        "CONNECTION_STRING",
        "database_url",
        "otp",
        "cvv",
        "client_secret",
        "Authorization",
        "auth",
        "smtp_auth",
        "Set-Cookie",
    ],
)
def test_what_people_call_secrets_is_told_by_its_name(name: str):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "spinner",
        "pinned",
        "opinion",
        "author",
        "authored",
        "url",
        "connection",
        "customer",
        "dsname",
        "bearing",
        "name",
        "strip",
        "total",
    ],
)
def test_a_word_within_a_word_is_no_secret(name: str):
    assert not is_secret_name(name)


def shown(source: str) -> str:
    lines = textwrap.dedent(source).strip("\n").splitlines(keepends=True)
    return "\n".join(shown_lines(lines, 1, len(lines)).values())


@pytest.mark.parametrize(
    "line",
    [
        'token = "abc123secret"',
        'self.api_key: str = "abc123secret"',
        'user, password = "ada", "abc123secret"',
        'connect(host="db", password="abc123secret")',
        'headers = {"Authorization": "Bearer abc123secret", "Accept": "json"}',
        'os.environ["DB_PASSWORD"] = "abc123secret"',
        'def f(pin="abc123secret"): ...',
        'f = lambda *, jwt=b"abc123secret": jwt',
        'if token == "abc123secret": ...',
        'token = f"prefix-{x}-abc123secret"',
        'url = "postgres://app:abc123secret@db/app"',
        'secret = ("abc123secret"\n          "abc123secret")',
        'private_key = """\nabc123secret\nabc123secret\n"""',
        'größe = "ü"; token = "abc123secret"',
    ],
)
def test_a_secret_that_is_written_into_the_code_is_masked(line: str):
    text = shown(line)
    assert "abc123secret" not in text
    assert "••••" in text


def test_all_else_stands_as_it_was_written():
    source = 'name = "Ada"\ntotal = price * 2  # tokens\nraise ValueError("bad token")\nspinner = "dots"'
    assert shown(source) == source
    assert shown('connect(host="db", password="x")') == 'connect(host="db", password=••••)'


def test_what_can_not_be_parsed_any_more_hides_whole_lines():
    assert shown('def (\ntoken = "abc123secret"\nx = 1') == "def (\n••••\nx = 1"


def test_passwords_in_addresses_are_masked():
    assert without_password("see redis://:hunter2@cache:6379 and https://example.org/a:b@c") == (
        "see redis://:••••@cache:6379 and https://example.org/a:b@c"
    )
