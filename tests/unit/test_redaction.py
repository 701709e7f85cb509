"""What messages and error variables must not repeat."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.redaction import QUOTED_CHARACTERS, Redaction

PROMPT = (
    'The customer Anna Muster of 12 Any Street owes us\nEUR 1,234.56 since "May" and is not amused at all.'
)


def test_secrets_are_masked_in_text() -> None:
    """Each occurrence; a secret that holds another one is masked whole."""
    assert Redaction(["abc", "abcdef"]).text("abcdef-abc-xyz") == "***-***-xyz"


def test_what_is_left_of_a_cut_secret_is_masked() -> None:
    """An API's words are shortened: the key that they end in may have lost its end."""
    key = "sk-proj-" + "".join(chr(65 + n % 26) for n in range(60))
    assert Redaction([key]).message(f"Wrong key {key[:40]}…") == "Wrong key ***…"


@pytest.mark.parametrize(
    "quoted",
    [
        r"sk-a+b/c\"d\"\\1234-\u00e9",
        r"sk-a+b/c\"d\"\\1234-é",
        "sk-a%2Bb%2Fc%22d%22%5C1234-%C3%A9",
        "sk-a%2Bb/c%22d%22%5C1234-%C3%A9",
        "sk-a%2bb%2fc%22d%22%5c1234-%c3%a9",
        "c2stYStiL2MiZCJcMTIzNC3DqQ==",
        "c2stYStiL2MiZCJcMTIzNC3DqQ",
    ],
    ids=["JSON in ASCII", "JSON", "URL", "path", "URL in small letters", "base64", "base64 without its end"],
)
def test_quoted_secrets_are_masked(quoted: str) -> None:
    """Servers and proxies echo a key as it stands in JSON text, in a URL or in base64."""
    redaction = Redaction(['sk-a+b/c"d"\\1234-é'])
    for masked in (redaction.message(f"got {quoted}"), redaction.value([f"got {quoted}"])[0]):
        assert masked.rstrip("=") == "got ***"


def test_a_dummy_key_is_masked_as_it_is_alone() -> None:
    """The base64 of a key of a few letters is a part of ordinary words."""
    assert Redaction(["1"]).text("1 MQ") == "*** MQ"


def test_blank_secrets_mask_nothing() -> None:
    """An empty secret would stand between all letters."""
    assert Redaction(["", " "]).text("a b") == "a b"


def test_secrets_are_masked_in_values_and_keys() -> None:
    """Nested lists and contexts too; other values stay as they are, in their order."""
    value = {"a": ["x SECRET y", {"SECRET": 1, "b": [None, True, 1.5]}], "c": ("SECRET",), "d": {}, "e": []}
    masked = {"a": ["x *** y", {"***": 1, "b": [None, True, 1.5]}], "c": ["***"], "d": {}, "e": []}
    got = Redaction(["SECRET"]).value(value)
    assert got == masked
    assert list(got) == list(masked)


@pytest.mark.parametrize("secret", ['a"b', "a\\b", "a\nb", "é€", "\ud83d\ude00x", "/", "\x7f\u2028"])
def test_what_holds_no_secret_is_not_taken_apart(secret: str) -> None:
    """Megabytes of numbers are not looked at one by one; no letter of a secret hides it."""
    value = {"a": [1, 0.5, None, "other"], "b": {"c": "text"}}
    redaction = Redaction([secret])
    assert redaction.value(value) is value
    assert redaction.value(value | {"d": [f"x{secret}y"]})["d"] == ["x***y"]
    assert redaction.value({f"x{secret}y": 1}) == {"x***y": 1}


def test_any_depth_is_masked() -> None:
    """An error body may be nested deeper than Python's stack: it stays what it was, masked."""
    deep: Any = "SECRET"
    for _ in range(5000):
        deep = {"k": [deep]}
    got = Redaction(["SECRET"]).value({"error": deep})
    got = got["error"]
    while not isinstance(got, str):
        got = got["k"][0]
    assert got == "***"


@pytest.mark.parametrize(
    "quoted",
    [
        PROMPT,
        PROMPT[:QUOTED_CHARACTERS],
        PROMPT[30:60],
        " ".join(PROMPT.split()),
        PROMPT.replace("\n", "\\n").replace('"', '\\"'),
        PROMPT[-QUOTED_CHARACTERS:],
    ],
    ids=["all", "beginning", "middle", "white space made one", "as JSON", "end"],
)
def test_a_quoted_prompt_is_masked(quoted: str) -> None:
    """The API's words may quote the prompt whole or in part, also as it stands in JSON."""
    message = Redaction([], ["another text", PROMPT]).message(f"Invalid input: '{quoted}' (see manual)")
    assert message.startswith("Invalid input: '***")
    assert message.endswith("***' (see manual)")
    assert not any(PROMPT[start : start + 12] in message for start in range(len(PROMPT) - 12))


def test_short_private_texts_are_masked_whole() -> None:
    """A prompt of eight characters or more is masked; shorter ones may stand in any message."""
    assert Redaction([], ["Anna Must", " a "]).message("for Anna Must, a value") == "for ***, a value"
    assert Redaction([], ["Anna Must\n"]).message("for Anna Must") == "for ***"


def test_other_words_stay() -> None:
    """What merely resembles a prompt is not masked."""
    message = "The model does not exist: gpt-6-luna"
    assert Redaction(["sk-1"], [PROMPT, "model", ""]).message(message) == message


def test_neighbouring_quotes_become_one_mask() -> None:
    """Overlapping pieces of a prompt are one mask."""
    assert Redaction([], [PROMPT]).message(f"<{PROMPT}{PROMPT}>") == "<***>"


def test_large_prompts_cost_little() -> None:
    """Megabytes of repetitive prompt and thousands of texts are searched in bounded work."""
    text = "a" * 19 + "b"
    assert "***" in Redaction([], ["a" * 1_400_000]).message(text * 300)
    assert Redaction([], [f"message number {i}" for i in range(20_000)]).message("x" * 6000) == "x" * 6000


few_letters = st.text("ab c", min_size=QUOTED_CHARACTERS, max_size=80)


@given(
    private=st.lists(few_letters, min_size=1, max_size=4),
    before=few_letters,
    after=few_letters,
    data=st.data(),
)
def test_no_long_piece_of_a_prompt_is_left(
    private: list[str], before: str, after: str, data: st.DataObject
) -> None:
    """Wherever a message repeats a private text, nothing of QUOTED_CHARACTERS stays."""
    start = data.draw(st.integers(0, len(private[0])))
    message = Redaction([], private).message(before + private[0][start:] + after)
    pieces = (message[i : i + QUOTED_CHARACTERS] for i in range(len(message) - QUOTED_CHARACTERS + 1))
    assert not any(piece in text for piece in pieces for text in private)


@given(st.lists(st.text("ab*", min_size=1), max_size=4), st.text("ab*"))
def test_no_secret_is_left(secrets: list[str], message: str) -> None:
    """Secrets that overlap or hold one another leave nothing but masks."""
    masked = Redaction(secrets).message(message)
    assert all("*" in secret or secret not in masked for secret in secrets)


@pytest.mark.parametrize(
    "spell", [str.upper, str.lower, str.title, str.swapcase], ids=lambda spell: spell.__name__
)
@pytest.mark.parametrize(
    "prompt",
    [PROMPT, "Anna Muster", "Die Kundin Frau Möllers wohnt in Köln", "Ο ΠΕΛΑΤΗΣ ΟΝΟΜΑΖΕΤΑΙ ΓΙΩΡΓΟΣ"],
    ids=["long", "short", "umlauts", "final sigma"],
)
def test_a_prompt_in_other_letters_is_masked(prompt: str, spell: Any) -> None:
    """Some APIs repeat in small or capital letters what they refuse; the words around it stay."""
    masked = Redaction(private=[prompt]).message(f"Refused: {spell(prompt)} (code 7)")
    assert masked.startswith("Refused: ***")
    assert masked.endswith("*** (code 7)")


@given(st.text() | st.sampled_from(["İİİ", "ẞß", "ΣΑΣ ", "ŉ"]))
def test_letters_of_any_kind_are_masked_in_their_place(text: str) -> None:
    """Small letters are as many as capital ones, so that a mask never covers something else."""
    prompt = "the customer is Anna Muster"
    masked = Redaction(private=[prompt]).message(f"{text}|{prompt.upper()}|{text}")
    assert masked == f"{text}|***|{text}"
