"""What is told of a store without being one of its workers: it is left as it is."""

from __future__ import annotations

from datetime import date

from openai_connector.store import StoreError, StoreOptions
from openai_connector.store.charges import Total, sorted_totals
from openai_connector.store.durable import tables_of


def read_totals(location: str, since: date | None = None) -> list[Total]:
    """Return what was spent, by day, process, element, model, tenant and currency.

    Nothing is made, brought to this version, or removed for being old.

    Raises:
        StoreError: it cannot be read, or its tables are of another version.
    """
    tables = tables_of(location, StoreOptions())
    try:
        tables.open_to_read()
        return sorted_totals(tables.totals("" if since is None else since.isoformat()))
    except StoreError:
        raise
    except Exception as error:
        raise tables.explain(error) from None
    finally:
        tables.close()
