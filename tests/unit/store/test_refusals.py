"""Why PostgreSQL refuses a connection, by its words: it has no codes for that."""

from __future__ import annotations

import pytest

from openai_connector import wording
from openai_connector.store.postgres import PostgresTables

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
