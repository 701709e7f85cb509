"""Contexts: reading, changing, building."""

from typing import Any

from camunda_feel import hashorder
from camunda_feel.builtins.library import builtin
from camunda_feel.errors import FeelLimitError
from camunda_feel.functions import IllegalArgumentError
from camunda_feel.runtime import MISSING, Run
from camunda_feel.values import CONTEXT_TYPES, lift

Entries = dict[str, Any]


@builtin("get entries(context: context)", "get entries(m: context)", takes_run=True)
def get_entries(run: Run, context: Entries) -> list[Entries]:
    """Return one context of `key` and `value` for each entry."""
    run.charge(len(context))
    return [{"key": key, "value": value} for key, value in hashorder.entries(context)]


@builtin(
    "get value(m: context, key: any)",
    "get value(context: context, key: any)",
    "get value(context: context, keys: list)",
)
def get_value(context: Entries, key: Any) -> Any:
    """Return the entry for a key, or for a path of keys; null if it does not exist."""
    if type(key) is str:
        return context.get(key)
    if type(key) is not list:
        raise IllegalArgumentError("the key must be a string or a list of strings")
    value: Any = context if key else None
    for step in map(lift, key):
        if type(step) is not str or type(value) not in CONTEXT_TYPES:
            return None
        value = lift(value.get(step))
    return value


@builtin(
    "context put(context: context, key: any, value: any)",
    "put(context: context, key: any, value: any)",
    "context put(context: context, keys: list, value: any)",
    takes_run=True,
)
def context_put(run: Run, context: Entries, key: Any, value: Any) -> Entries | None:
    """Return a copy with one entry added or replaced, at a key or at a path of keys."""
    keys: list[Any] = [key]
    if type(key) is list:
        keys = list(map(lift, key))
    if not keys:
        return None
    if not all(type(step) is str for step in keys):
        raise IllegalArgumentError("the key must be a string or a list of strings")
    if len(keys) > run.limits.depth:
        raise FeelLimitError(f"a path may have {run.limits.depth} keys at most")
    run.charge(len(context))
    result = dict(context)
    inner = result
    for step in keys[:-1]:
        found = lift(inner.get(step))
        inner[step] = dict(found) if type(found) in CONTEXT_TYPES else {}
        inner = inner[step]
        run.charge(len(inner))
    inner[keys[-1]] = value
    return result


@builtin("context merge(contexts: any...)", "put all(contexts: any...)", takes_run=True)
def context_merge(run: Run, contexts: Any) -> Entries | None:
    """Merge all contexts; later entries win. An item of another type gives null, without a warning."""
    if type(contexts) is not list:
        return None
    result: Entries = {}
    for context in map(lift, contexts):
        if type(context) not in CONTEXT_TYPES:
            return None
        run.charge(len(context))
        result.update(context)
    return result


@builtin("context(entries: any)")
def context(entries: Any) -> Entries | None:
    """Return a context, as the inverse of `get entries`. Other items give null, without a warning."""
    if type(entries) is not list:
        return None
    result: Entries = {}
    for entry in map(lift, entries):
        if type(entry) not in CONTEXT_TYPES or "value" not in entry:
            return None
        key = entry.get("key", MISSING)
        if type(key) is not str:
            return None
        result[key] = entry["value"]
    return result
