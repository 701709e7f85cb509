"""A grammar of error bodies as vendors, gateways and frameworks make them, with the verdict on each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

MARK = "zebra crossing ahead"

Shape = Callable[[str, str], Any]
"""Makes a body of its words and its code."""

SHAPES: tuple[Shape, ...] = (
    lambda words, code: {"error": {"message": words, "type": "some_type", "param": None, "code": code}},
    lambda words, code: {"error": {"message": words, "type": code, "param": "None", "code": None}},
    lambda words, code: {"error": {"message": words, "type": "None", "param": "", "code": code}},
    lambda words, code: {"error": words, "code": code},
    lambda words, code: {"error": words, "error_type": code},
    lambda words, code: {"error": [words], "type": code},
    lambda words, code: {"type": "error", "error": {"type": code, "message": words}},
    lambda words, code: {"error": {"status": code, "message": words, "details": []}},
    lambda words, code: {"error": {"message": words, "details": [{"@type": "x", "reason": code}]}},
    lambda words, code: {"error": {"error": {"message": words, "code": code}}},
    lambda words, code: {"message": words, "code": code},
    lambda words, code: {"Message": words, "__type": f"com.example.api#{code}"},
    lambda words, code: {"msg": words, "code": code, "success": False},
    lambda words, code: {"error_msg": words, "error_code": code},
    lambda words, code: {"error": code, "error_description": words},
    lambda words, code: {"detail": words, "code": code},
    lambda words, code: {"detail": {"message": words, "code": code}},
    lambda words, code: {"detail": [{"loc": ["body", "n"], "msg": words, "type": code}]},
    lambda words, code: {"message": {"detail": [{"loc": ["body"], "msg": words}]}, "type": code},
    lambda words, code: {"title": "Failed", "detail": words, "type": "about:blank", "code": code},
    lambda words, code: {"errors": [{"message": words, "code": code}], "result": None},
    lambda words, code: {"errors": {"prompt": [words]}, "code": code},
    lambda words, code: {"fault": {"faultstring": words, "detail": {"errorcode": code}}},
    lambda words, code: {"timestamp": "t", "error": "Bad Request", "message": words, "reason": code},
    lambda words, code: {"error": {"message": "Provider error", "metadata": {"raw": words}, "code": code}},
    lambda words, code: {"error": {"message": "x", "innererror": {"code": code, "message": words}}},
    lambda words, code: {"base_resp": {"status_code": code, "status_msg": words}},
)

WRAPPINGS: tuple[Callable[[Any], Any], ...] = (
    lambda body: body,
    lambda body: body,
    lambda body: [body],
    lambda body: {"error": body},
    lambda body: {"detail": body},
    lambda body: {"error": {"message": json.dumps(body)}},
    lambda body: {"message": json.dumps(body, ensure_ascii=False)},
    lambda body: {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps(body)}}},
    lambda body: json.dumps(body, indent=1),
    lambda body: f"event: error\ndata: {json.dumps(body)}\n\n",
)

WORDS = st.builds(
    lambda before, after: f"{before}{MARK}{after}",
    st.sampled_from(("", "Error: ", "\n  ", "é ", "litellm.APIError: ", "\x1b[31m")),
    st.sampled_from(("", ".", "\n", " (request id: 1)", ": see the docs", " " + "x" * 300)),
)


@st.composite
def error_bodies(draw: st.DrawFn, codes: tuple[str, ...] = ("some_code",)) -> tuple[Any, str]:
    """Draw a body that says `MARK` and has one of the codes, with that code."""
    code = draw(st.sampled_from(codes))
    body = draw(st.sampled_from(SHAPES))(draw(WORDS), code)
    for wrapping in draw(st.lists(st.sampled_from(WRAPPINGS), max_size=2)):
        body = wrapping(body)
    return body, code
