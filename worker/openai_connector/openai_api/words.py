"""What an API says about a failure, found in a body of any shape: words, codes, numbers, hints to wait.

Every vendor, gateway and framework has a shape of its own, and they wrap each other. So no shape is expected:
the body is walked once, within bounds, and what stands under a known name is gathered.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from openai_connector.document import parse_json

MOST_VISITED: Final = 500  # values that are looked at, of a body of up to 10 MB
MOST_LEVELS: Final = 12
MOST_ENTRIES: Final = 100  # of one object
MOST_ITEMS: Final = 20  # of one list
MOST_JSON_CHARACTERS: Final = 100_000  # of JSON, HTML or an event stream inside a text
MOST_CHARACTERS: Final = 2000  # of one piece of text
MOST_ALONE: Final = 100  # of a text that may be an answer, and is more likely a word about a failure

WORDS: Final = (
    "message", "messages", "msg", "errormessage", "errormessages", "errormsg", "errmsg", "errordescription",
    "errordetail", "errordetails", "errorinfo", "statusmsg",
    "statusmessage", "faultstring", "description", "detail", "details", "error", "errors", "fault",
    "innererror", "cause", "metadata", "raw", "baseresp", "fieldviolations", "violations", "issues", "title",
    "hint", "exception",
)  # fmt: skip
"""Names whose values are words, or hold them, in this order; small, without `_` and `-`."""
UNSURE: Final = (
    "messages", "description", "cause", "metadata", "raw", "violations", "issues", "title", "hint",
)  # fmt: skip
"""Of these, names that an answer may have too, unless its body says that it failed."""
ANSWERS: Final = ("choices", "results")
"""Names under which the answers that we ask for stand."""
ENVELOPES: Final = ("result", "response")
"""Names under which gateways put all that they got, be it an error."""
CODES: Final = (
    "code", "errorcode", "status", "statuscode", "httpstatus", "httpstatuscode", "httpcode", "reason",
)  # fmt: skip
TYPES: Final = ("type", "errortype")
PARAMETERS: Final = ("param", "parameter")
PLACES: Final = ("loc", "path", "field")
WAITS: Final[Mapping[str, float]] = {
    "retrydelay": 1,
    "retryafter": 1,
    "retryafterseconds": 1,
    "retryaftersecs": 1,
    "retryaftersec": 1,
    "retryafterms": 0.001,
    "retryaftermilliseconds": 0.001,
    "retryin": 1,
    "retryinseconds": 1,
    "resetsinseconds": 1,
    "estimatedtime": 1,
    "waitseconds": 1,
}
"""Names of hints to wait, with the seconds that a bare number there counts for."""

_NOTHING: Final = frozenset(("", "none", "null", "undefined", "nil", "[]", "{}", "false", "true"))
_QUOTED = re.compile(r"[\"'](code|type|status)\\?[\"']: ?\\?[\"']?([A-Za-z_]\w{2,99}|\d{3})\b", re.ASCII)
_STREAM = ("id:", "retry:", ":")
_NUMBERS_OF_SUCCESS = (0, 200)
_WORDS_OF_SUCCESS: Final = frozenset(("ok", "okay", "success", "successful", "succeeded", "noerror"))
_WORDS_OF_FAILURE: Final = frozenset(("fail", "failed", "failure", "error"))
_OUTCOMES: Final = ("status", "state", "type", "object")
_FLAGS_OF_SUCCESS: Final = ("success", "ok", "succeeded", "issuccess")
_PHRASES: Final = frozenset(status.phrase.lower() for status in HTTPStatus)
_ABOUT_THE_REQUEST: Final = frozenset((
    "path", "uri", "url", "instance", "method", "timestamp", "time", "date", "id", "requestid", "traceid",
    "correlationid", "object", "model", "service", "version", "documentationurl", "docurl", "moreinfo",
    "helpurl", "logref", "host", "hostname", "region", "headers", "param", "parameter", "loc", "field",
))  # fmt: skip
"""Names that say where something happened; a value of several words says what, whatever its name."""
_SENTENCE = re.compile(r"[^\W\d_]{2,}\s+[^\W\d_]{2,}")
_CODE = re.compile(r"[A-Za-z][\w.#:-]{0,99}", re.ASCII)
_TITLE = re.compile(r"<(title|h1|message|faultstring)\b[^<>]{0,300}>([^<]{1,2000})<", re.IGNORECASE)
_MARKUP = re.compile(r"<[A-Za-z!?/]")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_UNSEEN = re.compile(r"<(/?)(?:style|script|head)\b", re.IGNORECASE)


@dataclass(slots=True)
class Said:
    """What stands in a body about a failure, in the order found."""

    texts: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Codes that are numbers, or digits."""
    waits: list[tuple[Any, float]] = field(default_factory=list)
    """Hints to wait as they stand there, with the seconds that a bare number counts for."""
    headers: list[Mapping[str, Any]] = field(default_factory=list)
    """HTTP headers of the server behind, which gateways put into the body."""
    parameter: str = ""

    def says_anything(self) -> bool:
        """Check whether there is a word or a code."""
        return bool(self.texts or self.codes or self.types or self.numbers)

    def words(self, phrase: str = "", *, with_codes: bool = True) -> str:
        """Return the words on one line, where there are others than the status's phrase; else the codes."""
        chosen: list[str] = []
        for text in self.texts:
            if text != phrase and not any(text in other for other in chosen):
                chosen.append(text)
        if not chosen and not with_codes:
            return ""
        if not chosen:
            chosen = list(dict.fromkeys(self.codes + self.types))
        return "; ".join(chosen) or (f"code {self.numbers[0]}" if self.numbers else "")


def said_in(body: Any) -> Said:
    """Return what an error's body says."""
    walk = _Walk()
    walk.visit(body, 0)
    is_said = any(text.lower() not in _PHRASES for text in walk.said.texts)
    if not is_said and isinstance(body, dict) and not any(body.get(name) for name in ANSWERS):
        walk.take_rest(body)
    return walk.said


def said_in_answer(body: Any) -> Said:
    """Return what a body of a success status says of an error; its other parts may be an answer, unseen."""
    walk = _Walk(is_answer=not says_failed(body))
    walk.visit(body, 0)
    walk.visit([error for choice in failed_choices(body) for error in _errors_of(choice)], 0)
    walk.visit([{"error": error} for error in _enveloped(body)], 0)
    return walk.said


def says_failed(body: Any) -> bool:
    """Check whether a body without any answer says of itself that it is a failure."""
    if not isinstance(body, dict) or any(name in body for name in ANSWERS):
        return False
    entries = {plain(str(name)): part for name, part in reversed(_some(body))}
    walk = _Walk()
    for name in CODES:
        walk.take_code(entries.get(name), walk.said.codes)
    return (
        any(400 <= number <= 599 for number in walk.said.numbers)
        or any(str(entries.get(name)).strip().lower() in _WORDS_OF_FAILURE for name in _OUTCOMES)
        or any(entries.get(name) is False for name in _FLAGS_OF_SUCCESS)
        or is_error(entries.get("error"))
        or any(map(is_error, _enveloped(body)))
    )


def _enveloped(body: Any) -> list[Any]:
    """Return the errors that stand one level below, where gateways put what they got."""
    if not isinstance(body, dict) or any(name in body for name in ANSWERS):
        return []
    inner = [body.get(name) for name in ENVELOPES]
    return [part["error"] for part in inner if isinstance(part, dict) and is_error(part.get("error"))]


def is_error(value: Any) -> bool:
    """Check whether what stands under `error` says anything: some servers send it empty with an answer."""
    if value is None:
        return False
    if isinstance(value, dict):
        walk = _Walk()
        walk.visit(value, 0)
        words = walk.said.texts + walk.said.codes + walk.said.types
        return not all(map(_is_success, words)) or any(
            number not in _NUMBERS_OF_SUCCESS for number in walk.said.numbers
        )
    if isinstance(value, list):
        return any(map(is_error, value[:MOST_ITEMS]))
    if isinstance(value, int) and not isinstance(value, bool):
        return value not in _NUMBERS_OF_SUCCESS
    return isinstance(value, str) and bool(_said(value)) and not _is_success(value)


def _is_success(words: str) -> bool:
    return plain(words) in _WORDS_OF_SUCCESS


def is_failed_choice(choice: Any) -> bool:
    """Check whether a choice of a chat answer failed, be it after a part of its message."""
    if not isinstance(choice, dict):
        return False
    return str(choice.get("finish_reason")).strip().lower() == "error" or any(
        map(is_error, _errors_of(choice))
    )


def _errors_of(choice: Mapping[str, Any]) -> list[Any]:
    message = choice.get("message")
    return [
        choice.get("error"),
        choice.get("errors"),
        message.get("error") if isinstance(message, dict) else None,
    ]


def failed_choices(body: Any) -> list[Mapping[str, Any]]:
    """Return the choices of an answer where every one of them failed, else none."""
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not all(map(is_failed_choice, choices)):
        return []
    return choices


def is_event_stream(text: Any) -> bool:
    """Check whether a body is a stream of server-sent events."""
    if not isinstance(text, str):
        return False
    begin = text[:MOST_CHARACTERS].lstrip("\ufeff \t\r\n")
    return begin.startswith(("data:", "event:")) or (begin.startswith(_STREAM) and "\ndata:" in begin)


def one_line(text: str) -> str:
    """Return a text's beginning on one line, without control characters."""
    text = text[:MOST_CHARACTERS]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def plain(name: str) -> str:
    """Return a name as it is compared: spellings such as rate_limit and RateLimit are the same."""
    return re.sub(r"[\W_]", "", name[:200]).lower()


def _said(text: str) -> str:
    line = one_line(text)
    return "" if line.lower() in _NOTHING else line


class _Walk:
    """One walk through a body, within bounds."""

    def __init__(self, *, is_answer: bool = False) -> None:
        self.said = Said()
        self._left = MOST_VISITED
        self._is_answer = is_answer

    def visit(self, value: Any, level: int, place: str = "") -> bool:
        """Gather what a value says; return whether it says anything."""
        self._left -= 1
        if self._left < 0 or level > MOST_LEVELS:
            return False
        match value:
            case str():
                return self._visit_text(value, level, place)
            case list():
                return sum(self.visit(item, level + 1, place) for item in value[:MOST_ITEMS]) > 0
            case Mapping():
                return self._visit_object(value, level, place)
            case _:
                return False

    def _visit_object(self, value: Mapping[str, Any], level: int, place: str) -> bool:
        entries = {plain(str(name)): part for name, part in reversed(_some(value))}
        before = _size(self.said)
        for names, found in ((CODES, self.said.codes), (TYPES, self.said.types)):
            for name in names:
                self.take_code(entries.get(name), found)
        self._take_hints(entries)
        place = _place(entries) or place
        for name in WORDS:
            part = entries.get(name)
            if self._is_answer and level == 0 and name in UNSURE and not _is_all(value, part):
                continue
            if name == "error" and _is_code(part):
                self.take_code(part, self.said.codes)
            elif part is not None:
                says = self.visit(part, level + 1, place)
                if not says and name in ("errors", "details", "detail") and isinstance(part, dict):
                    self.take_all(part, level + 1)
        return _size(self.said) > before

    def take_code(self, value: Any, found: list[str]) -> None:
        """Keep a code, which may be a number."""
        if isinstance(value, bool):
            return
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value) if isinstance(value, (str, int)) else ""
        if text.isascii() and text.strip().isdigit() and len(text) < 10:
            self.said.numbers.append(int(text))
        elif (name := _said(text)) and "/" not in name and name not in ("error", "about:blank"):
            found.append(name[:100])

    def _take_hints(self, entries: Mapping[str, Any]) -> None:
        for name, unit in WAITS.items():
            if entries.get(name) is not None:
                self.said.waits.append((entries[name], unit))
        for name in PARAMETERS:
            parameter = entries.get(name)
            if isinstance(parameter, str) and not self.said.parameter:
                self.said.parameter = _said(parameter)
        if isinstance(headers := entries.get("headers"), dict):
            self.said.headers.append(headers)

    def take_all(self, value: Mapping[str, Any], level: int) -> None:
        """Gather the texts of an object whose names are not known: `{"prompt": ["must not be blank"]}`."""
        self._left -= 1
        if self._left < 0 or level > MOST_LEVELS:
            return
        for name, part in _some(value):
            if isinstance(part, dict):
                self.take_all(part, level + 1)
            elif isinstance(part, (str, list)):
                self.visit(part, level + 1, one_line(str(name))[:100])

    def take_rest(self, value: Mapping[str, Any], level: int = 0) -> None:
        """Gather the texts under unknown names, where only codes are known: `{"code": 400, "data": "x"}`."""
        self._left -= 1
        if self._left < 0 or level > MOST_LEVELS:
            return
        for key, part in _some(value):
            name, shown = plain(str(key)), one_line(str(key))[:100]
            if isinstance(part, dict) and name != "headers":
                self.take_rest(part, level + 1)
            elif isinstance(part, list) or (isinstance(part, str) and self._is_news(name, part, level)):
                self.visit(part, level + 1, shown)

    def _is_news(self, name: str, text: str, level: int) -> bool:
        line = _said(text)
        known = (*self.said.codes, *self.said.types, *self.said.texts)
        if line[:100] in known or name in WAITS or (name in CODES and line.isdigit()):
            return False
        is_silent = plain(line) in _WORDS_OF_FAILURE or _is_success(line)
        is_about_the_request = level < 2 and name in _ABOUT_THE_REQUEST  # below, it is what is wrong
        return not is_silent and (not is_about_the_request or bool(_SENTENCE.search(line)))

    def _visit_text(self, text: str, level: int, place: str) -> bool:
        begin = text[:MOST_CHARACTERS].lstrip("\ufeff \t\r\n")
        for inner in _inside(text, begin):
            if self.visit(inner, level + 1, place):
                return True
        if _MARKUP.match(begin) and (words := list(_marked_up(text[:MOST_JSON_CHARACTERS]))):
            self.said.texts += words
            return True
        line = _said(begin)
        if self._is_answer and (begin[:1] in ("{", "[") or is_event_stream(text)):
            return False  # cut off or streamed: what it holds may be the answer
        for name, code in _QUOTED.findall(line):
            self.take_code(code, self.said.types if name == "type" else self.said.codes)
        if line:
            self.said.texts.append(f"{place}: {line}" if place and place not in line.split() else line)
        return bool(line)


def _is_code(value: Any) -> bool:
    """Check whether what stands under `error` is a code, not words."""
    return isinstance(value, (int, float)) or (
        isinstance(value, str) and bool(_CODE.fullmatch(value.strip()))
    )


def _is_all(value: Mapping[str, Any], part: Any) -> bool:
    """Check whether a short text is all that there is, as no answer has it."""
    return len(value) == 1 and isinstance(part, str) and len(part) <= MOST_ALONE


def _some(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [entry for entry, _ in zip(value.items(), range(MOST_ENTRIES), strict=False)]


def _size(said: Said) -> int:
    return len(said.texts) + len(said.codes) + len(said.types) + len(said.numbers)


def _place(entries: Mapping[str, Any]) -> str:
    """Return where a framework found something wrong: `body.messages`."""
    for name in PLACES:
        place = entries.get(name)
        if isinstance(place, list):
            return one_line(".".join(str(part)[:100] for part in place[:10] if isinstance(part, (str, int))))
        if isinstance(place, str) and name != "path":  # a path is often the request's
            return one_line(place)[:200]
    return ""


def _inside(text: str, begin: str) -> Iterator[Any]:
    """Yield the JSON values that a text is made of: JSON in a text, or the events of a stream."""
    if len(text) > MOST_JSON_CHARACTERS:
        return
    if begin[:1] in ("{", "[", '"'):
        yield from _parsed([text.strip("\ufeff \t\r\n")])
    elif is_event_stream(begin):
        lines = (line.strip() for line in text.splitlines()[: 2 * MOST_ITEMS])
        yield from _parsed(line[5:] for line in lines if line.startswith("data:"))


def _parsed(texts: Iterable[str]) -> Iterator[Any]:
    for text in texts:
        try:
            yield parse_json(text)
        except ValueError:
            continue


def _marked_up(text: str) -> Iterator[str]:
    """Yield the words of HTML or XML: its title and first heading, an error's message, else its text."""
    found = dict.fromkeys(_said(html.unescape(words)) for _, words in _TITLE.findall(text)[:MOST_ITEMS])
    found.pop("", None)
    if found:
        yield from list(found)[:2]
        return
    bare = _said(html.unescape(_TAG.sub(" ", _seen(text))))
    if bare:
        yield bare


def _seen(text: str) -> str:
    """Return HTML without its head, styles and scripts."""
    kept, slash = [], "/"
    for position, part in enumerate(_UNSEEN.split(text)):
        if position % 2:
            slash = part
        elif slash:
            kept.append(part if position == 0 else f"<{part}")
    return "".join(kept)
