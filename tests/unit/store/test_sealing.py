"""What is stored as bytes: JSON, and encryption with keys that change."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.store import Met, News, StoreError
from openai_connector.store.sealing import PIECE, Sealing, encode, read_keys
from tests.make import sentences_in
from tests.unit.store.stores import CALL, JOB, KEPT, Opener

OLD, NEW = b"o" * 32, b"n" * 32
SECRET = "a very personal answer"
ANSWER = {"body": {"text": SECRET}}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(values)
def test_any_json_comes_back_as_it_was(value: Any) -> None:
    """Written in pieces, it is the same JSON; half of a surrogate pair, which some APIs send, among it."""
    assert encode(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for keys in ((), (NEW,)):
        sealing = Sealing(keys)
        assert json.loads(sealing.unseal(sealing.seal(encode(value), "p"), "p")) == value


@pytest.mark.parametrize("length", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 1000])
def test_long_lists_are_written_in_pieces(length: int) -> None:
    """At the edges of pieces nothing is missing and nothing is twice."""
    value = {"logprobs": [{"token": "x", "top": [number] * length} for number in range(length)]}
    assert json.loads(encode(value)) == value


def test_half_a_surrogate_pair_comes_back() -> None:
    """Some servers cut answers in the middle of a character."""
    sealing = Sealing([NEW])
    assert sealing.unseal(sealing.seal("a\ud83d", "p"), "p") == "a\ud83d"


async def test_an_answer_cannot_be_read_in_the_database(opened: Opener, tmp_path: Any) -> None:
    """With a key, neither answer nor variables lie there in plain text; without one they do."""
    for name, keys in (("plain", ()), ("encrypted", (NEW,))):
        store = await opened(str(tmp_path / name), keys=keys)
        await store.keep(JOB, CALL, ANSWER)
        await store.owe(JOB, json.dumps(SECRET))
        stored = b"".join(file.read_bytes() for file in (tmp_path / name).iterdir())
        assert (SECRET.encode() in stored) is (name == "plain")


@pytest.mark.parametrize(
    ("before", "after", "is_readable"),
    [
        ((), (NEW,), True),
        ((OLD,), (NEW, OLD), True),
        ((OLD,), (OLD, NEW), True),
        ((OLD,), (NEW,), False),
        ((OLD,), (), False),
    ],
    ids=["introduced", "changed", "added", "lost", "removed"],
)
async def test_keys_change(
    opened: Opener, location: str, before: tuple[bytes, ...], after: tuple[bytes, ...], is_readable: bool
) -> None:
    """The first key encrypts, all of them decrypt; without the right one that job alone has no store."""
    first = await opened(location, keys=before)
    await first.keep(JOB, CALL, KEPT)
    await first.owe(JOB, "{}")
    await first.aclose()
    told: list[News] = []
    second = await opened(location, keys=after, tell=told.append)
    if is_readable:
        assert (await second.claim(JOB, CALL)).answer == KEPT
        assert len(await second.owed()) == 1
        return
    assert (await second.claim(JOB, CALL)).is_ours
    assert (await (await opened(location, keys=after)).claim(JOB, CALL)).is_busy  # nobody buys it twice
    assert second.is_healthy
    assert await second.owed() == []
    unreadable = [news for news in told if news.met is Met.UNREADABLE]
    assert [(news.job_key, news.count) for news in unreadable] == [(JOB, 1), (JOB, 2)]
    assert {name for news in unreadable for name in sentences_in(news.what)} == {"STORE_KEY_MISSING"}
    await second.keep(JOB, CALL, KEPT)  # bought again, and readable from now on
    assert (await second.claim(JOB, CALL)).answer == KEPT


@pytest.mark.parametrize("keys", [(), (NEW,)], ids=["plain", "encrypted"])
@pytest.mark.parametrize("kind", ["moved", "cut", "changed", "empty", "other form"])
def test_what_was_tampered_with_is_no_answer(keys: tuple[bytes, ...], kind: str) -> None:
    """With a key, an answer belongs to its place and is whole; without one, its form is at least known."""
    sealing = Sealing(keys)
    stored = sealing.seal("{}", "7 a")
    place, data = {
        "moved": ("8 a", stored),
        "cut": ("7 a", stored[:6]),
        "changed": ("7 a", stored[:-1] + bytes([stored[-1] ^ 1])),
        "empty": ("7 a", b""),
        "other form": ("7 a", b"\x07" + stored[1:]),
    }[kind]
    if not keys and kind in ("moved", "cut", "changed"):
        sealing.unseal(data, place)
        return
    with pytest.raises(StoreError) as caught:
        sealing.unseal(data, place)
    assert "STORE_ENTRY_UNREADABLE" in sentences_in(str(caught.value))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        (base64.b64encode(OLD).decode(), [OLD]),
        (f" {base64.b64encode(NEW).decode()} ,{base64.b64encode(OLD).decode()},", [NEW, OLD]),
        (base64.urlsafe_b64encode(b"\xff" * 32).decode(), [b"\xff" * 32]),
    ],
    ids=["none", "one", "two", "for URLs"],
)
def test_keys_are_read(text: str, keys: list[bytes]) -> None:
    """As openssl writes them, and as Python does for URLs."""
    assert read_keys(text) == keys


@pytest.mark.parametrize("text", ["HIDDEN", "HIDDEN+not=base64", base64.b64encode(b"HIDDEN").decode(), "é"])
def test_what_is_no_key_is_not_shown(text: str) -> None:
    """The message says what a key looks like."""
    with pytest.raises(ValueError, match="32 bytes in Base64") as caught:
        read_keys(text)
    assert text not in str(caught.value)
