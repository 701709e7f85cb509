"""Why PostgreSQL refuses a connection, by its words: it has no codes for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_connector import wording
from openai_connector.store import StoreError
from openai_connector.store.postgres import PostgresTables
from openai_connector.store.sqlite import SqliteTables
from openai_connector.store.tables import Tables

psycopg = pytest.importorskip("psycopg")
PLACE = 'connection failed: connection to server at "10.0.0.7", port 5432 failed: '


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            'FATAL:  permission denied for database "closed"\nDETAIL:  User does not have CONNECT privilege.',
            wording.STORE_NO_CONNECT,
            id="may not connect",
        ),
        pytest.param(
            'FATAL:  too many connections for role "busy"', wording.STORE_CROWDED, id="limit of a user"
        ),
        pytest.param(
            'FATAL:  too many connections for database "busy"',
            wording.STORE_CROWDED,
            id="limit of a database",
        ),
        pytest.param("FATAL:  sorry, too many clients already", wording.STORE_CROWDED, id="limit of all"),
        pytest.param(
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            wording.STORE_CROWDED,
            id="the last ones",
        ),
        pytest.param(
            'FATAL:  password authentication failed for user "worker"', wording.STORE_LOGIN, id="password"
        ),
        pytest.param('FATAL:  role "off" is not permitted to log in', wording.STORE_LOGIN, id="no login"),
        pytest.param(
            'FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "a", database "b", SSL off',
            wording.STORE_LOGIN,
            id="host not let in",
        ),
        pytest.param('FATAL:  database "x" does not exist', wording.STORE_NO_DATABASE, id="no database"),
        pytest.param(
            'root certificate file "/root/.postgresql/root.crt" does not exist',
            wording.STORE_TLS,
            id="no authorities",
        ),
        pytest.param("SSL error: certificate verify failed", wording.STORE_TLS, id="not trusted"),
        pytest.param('connection is bad: invalid sslmode value: "x"', wording.STORE_URL, id="parameter"),
        pytest.param("Connection refused", wording.STORE_NO_CONNECTION, id="nobody there"),
        pytest.param(
            "FATAL:  the database system is starting up", wording.STORE_NO_CONNECTION, id="starting"
        ),
    ],
)
def test_words_of_a_refusal(words: str, sentence: wording.Sentence) -> None:
    """Each refusal is told as what it is, so that its advice helps."""
    said = PostgresTables("postgresql://").explain(psycopg.OperationalError(PLACE + words))
    assert str(said) == sentence()


@pytest.mark.parametrize(
    "tables",
    [PostgresTables("postgresql://"), SqliteTables(Path("store.sqlite3"))],
    ids=["postgres", "sqlite"],
)
def test_a_bug_is_told_as_one(tables: Tables) -> None:
    """No disk and no database is to blame for an error of ours: the sentence has its place, and no value."""
    with pytest.raises(KeyError) as raised:
        dict[str, str]()["sk-secret"]
    said = str(tables.explain(raised.value))
    assert "(KeyError at test_refusals.py:" in said
    assert "This is a bug: please report it" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "wrong",
    ["/x?sslmode=bogus", "/x?target_session_attrs=x", "/x?connect_timeout=abc", ":abc/x", "/x?unheard=of"],
)
def test_a_url_that_cannot_be_used_is_told_as_one(wrong: str) -> None:
    """It is wrong before anybody is asked: no network and no server is to blame."""
    tables = PostgresTables(f"postgresql://a:secret@127.0.0.1{wrong}")
    try:
        tables.open()
    except StoreError as error:
        said = str(error)
    except Exception as error:
        said = str(tables.explain(error))
    assert said == wording.STORE_URL()
