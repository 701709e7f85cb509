"""Throw malformed and hostile expressions and data at the engine: `python -m tests.feel.fuzz --minutes 10`.

Whatever comes in, parsing, evaluating and converting may raise a FeelError and nothing else, within seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

from camunda_feel import FeelError, Limits, parse, parse_unary_tests, to_json
from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS
from tests.feel import adapter
from tests.feel.cases import CASES

LIMITS = Limits(steps=100_000, range_length=10_000, regex_seconds=0.2)
SLOW_SECONDS = 5.0
CORPORA = Path(adapter.__file__).parents[3] / "shared" / "feel"
FRAGMENTS = (
    *"()[]{}.,:?@+-*/<>=|\"'`\\ \n\t",
    *(
        "..",
        "**",
        "!=",
        ">=",
        "//",
        "/*",
        "*/",
        "if ",
        " then ",
        " else ",
        "for ",
        " in ",
        " return ",
        "some ",
    ),
    *(
        "every ",
        " satisfies ",
        " and ",
        " or ",
        "not(",
        "function(",
        " between ",
        " instance of ",
        "null",
        "true",
    ),
    *(
        "date(",
        "time(",
        "duration(",
        "date and time(",
        'number("',
        "string(",
        "1e5",
        "999999999999",
        ".5",
        "-0",
    ),
    *(
        "**999999999",
        "1..1000000",
        "partial",
        "item",
        "\ud800",
        "\U0001f600",
        "ä",
        "\x00",
        "\u2028",
        "time offset",
    ),
    *(
        '@"P1Y"',
        '@"PT1S"',
        '@"2024-02-29"',
        '@"999999999-12-31"',
        '@"23:59:59Z"',
        "x[x]",
        "a.b.c",
        "sort(",
        "get value(",
    ),
    *('"(a+)+$"', '"[a-z&&[^b]]"', '"$1"', 'from json("', 'replace("aaaa", ', "context put(", "substring("),
)
WORDS = ("x", "y", "deep", "wide", "self", "text", "big", "n", "list", "response")


def _sources() -> list[str]:
    """Valid expressions to start from: the project's own and, where present, the shared corpora's."""
    found = [case[0] for case in CASES]
    for path in sorted(CORPORA.glob("*.dev.jsonl")):
        found += [json.loads(line)["expr"] for line in path.read_text("utf-8").splitlines()]
    return found


def _mutated(random_: random.Random, sources: list[str]) -> str:
    text = random_.choice(sources)
    for _ in range(random_.randint(1, 6)):
        place, other = random_.randint(0, len(text)), random_.choice(sources)
        cut = random_.randint(place, min(len(text), place + 12))
        piece = random_.choice(
            (
                random_.choice(FRAGMENTS),
                random_.choice(WORDS),
                other,
                other[: random_.randint(0, len(other))],
                text[place:cut] * 2,
                "",
                chr(random_.choice((random_.randrange(0x80), random_.randrange(0x110000)))),
                random_.choice(FRAGMENTS) * random_.choice((2, 50, 2000)),
            )
        )
        text = text[:place] + piece + text[cut if random_.random() < 0.5 else place :]
    return text[:20_000]


def _soup(random_: random.Random) -> str:
    return "".join(random_.choice((*FRAGMENTS, *WORDS)) for _ in range(random_.randint(1, 40)))


def _data(random_: random.Random, depth: int = 0) -> Any:
    scalars: tuple[Any, ...] = (
        *(
            None,
            True,
            0,
            -1,
            1.5,
            1e300,
            float("nan"),
            float("inf"),
            -0.0,
            10**30,
            2**63,
            "",
            "a" * 50,
            "\ud800",
        ),
        *(
            "2024-01-01",
            "P1D",
            "10:00:00@Europe/Berlin",
            "1e999999999",
            "aaaaaaaaaaaaaaaaaaaaaaaa!",
            "\U0001f600",
        ),
    )
    if depth > 4 or random_.random() < 0.4:
        return random_.choice(scalars)
    if random_.random() < 0.5:
        return [_data(random_, depth + 1) for _ in range(random_.randint(0, 5))]
    return {
        random_.choice((*WORDS, "a b", "")): _data(random_, depth + 1) for _ in range(random_.randint(0, 5))
    }


def _variables(random_: random.Random) -> dict[str, Any]:
    deep: Any = 1
    for _ in range(random_.choice((5, 500, 5000))):
        deep = [deep] if random_.random() < 0.5 else {"deep": deep}
    self_nested: dict[str, Any] = {"n": 1}
    self_nested["self"] = self_nested
    loop: list[Any] = [1, 2]
    loop.append(loop)
    variables = {word: _data(random_) for word in WORDS}
    return {**variables, "deep": deep, "self": self_nested, "loop": loop, "wide": list(range(2000))}


def main() -> int:
    """Run for some minutes; print what was tried and every escape; exit with 1 if there was one."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=None)
    arguments = options.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    random_ = random.Random(seed)
    sources = _sources()
    stop = time.monotonic() + arguments.minutes * 60
    tried = evaluated = escapes = slow = 0
    slowest = 0.0
    while time.monotonic() < stop:
        text = _mutated(random_, sources) if random_.random() < 0.85 else _soup(random_)
        variables = _variables(random_)
        started = time.monotonic()
        tried += 1
        try:
            if random_.random() < 0.8:
                result = parse(text, limits=LIMITS).evaluate(
                    variables, functions=CONNECTOR_FUNCTIONS, limits=LIMITS
                )
            else:
                result = parse_unary_tests(text, limits=LIMITS).test(_data(random_), variables, limits=LIMITS)
            evaluated += 1
            json.dumps(to_json(result.value, limits=LIMITS))
        except FeelError as error:
            if error.__cause__ is not None:
                escapes += 1
                print(f"escape {error.__cause__!r} from {text[:300]!r}", flush=True)
        except Exception as error:
            escapes += 1
            print(f"escape {error!r} from {text[:300]!r}", flush=True)
        seconds = time.monotonic() - started
        slowest = max(slowest, seconds)
        if seconds > SLOW_SECONDS:
            slow += 1
            print(f"slow: {seconds:.1f} s for {text[:300]!r}", flush=True)
    print(
        f"seed {seed}: {tried} inputs tried, {evaluated} evaluated, escapes: {escapes}, "
        f"slower than {SLOW_SECONDS:g} s: {slow}, slowest {slowest:.2f} s"
    )
    return 1 if escapes or slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
