"""The page for people: written here whole, so that it works without JavaScript; its script only renews it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final

from openai_connector import look
from openai_connector.look.svg import tag, text
from openai_connector.status.charts import Layer, amount, bars, money
from openai_connector.status.history import COST

JOBS: Final = (
    Layer("completed", "completed", "done"),
    Layer("bpmnErrors", "BPMN errors", "running"),
    Layer("failed", "tried again", "strong"),
    Layer("incidents", "incidents", "trouble"),
)
TOKENS: Final = (Layer("tokensIn", "input", "running"), Layer("tokensOut", "output", "accent"))
MOST_CURRENCIES: Final = 3
"""That have charts."""
LONG: Final = 30
"""Characters of a word."""
INCIDENT: Final = "incident"
STATES: Final = {"read": "reads its inputs", "asks": "asks the API", "maps": "maps and reports"}

Cells = Sequence[str]
Given = Mapping[str, Any]


def render(report: Given, *, nonce: str) -> str:
    """Return the page.

    Args:
        report: what it shows.
        nonce: of its style sheet and its script, as the answer's policy names it.
    """
    page = _asset("page.html").replace("{{styles}}", f"{look.styles()}\n{_asset('page.css')}")
    page = page.replace("{{icon}}", look.ICON).replace("{{mark}}", look.MARK)
    page = page.replace("{{script}}", _asset("page.js")).replace("{{nonce}}", nonce)
    return page.replace("{{live}}", _live(report))  # the last: what it holds is nobody's placeholder


@cache
def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text("utf-8")


def _live(report: Given) -> str:
    return "\n".join(
        (
            _head(report),
            _alerts(report),
            # What went wrong stands before the lists, which may be long.
            tag("main", _tiles(report), _charts(report), _failures(report), _limits(report), _budgets(report),
                _jobs(report), _waiting(report), _batches(report), _store(report)),
        )
    )  # fmt: skip


def _head(report: Given) -> str:
    if not report["ready"]:
        pill = tag("span", "Takes no jobs", class_="pill trouble")
    elif report["degraded"]:
        pill = tag("span", "Works, with trouble", class_="pill running")
    else:
        pill = tag("span", "Works", class_="pill done")
    where = f"{report['host']}, process {report['process']}, version {report['version']}"
    where += f", since {_clock(report['begun'])} UTC"
    as_of = tag("span", f"as of {_clock(report['at'])} UTC", class_="dim as-of")
    return tag("p", pill, " ", tag("span", text(where), class_="dim"), ", ", as_of, class_="state")


def _alerts(report: Given) -> str:
    found = [tag("p", text(problem), class_="alert") for problem in report["down"].values()]
    found += [tag("p", text(problem), class_="alert mild") for problem in report["degraded"].values()]
    return tag("div", *found, role="alert") if found else ""


def _tiles(report: Given) -> str:
    hour = report["lastHour"]["inAll"]
    ended = sum(hour[layer.name] for layer in JOBS)
    tiles = [
        *map(_slots, report["types"]),
        _tile(
            "Jobs in the last hour",
            amount(ended),
            f"{hour['incidents']} incident{'' if hour['incidents'] == 1 else 's'}",
        ),
        _tile(
            "Calls in the last hour", amount(hour["calls"]), f"{hour['heldBack']} times held back before one"
        ),
        _tile(
            "Tokens in the last hour",
            amount(hour["tokensIn"] + hour["tokensOut"]),
            f"{amount(hour['tokensIn'])} input, {amount(hour['tokensOut'])} output",
        ),
        _cost(report["lastHour"]),
    ]
    return tag("section", *tiles, class_="tiles", aria_label="At a glance")


def _cost(hour: Given) -> str:
    spent = " + ".join(f"{money(sum_)} {currency}" for currency, sum_ in hour["cost"].items())
    unpriced = hour["inAll"]["unpriced"]
    more = f"and {amount(unpriced)} answers of unknown price" if unpriced else "as far as prices are known"
    return _tile("Cost in the last hour", spent or "0", more)


def _slots(of: Given) -> str:
    connected = "the engine answers" if of["connected"] else "the engine does not answer"
    part = of["slotsUsed"] / of["slots"]
    meter = tag(
        "svg", tag("rect", class_="floor", width=100, height=6, rx=3),
        tag("rect", class_="accent", width=round(100 * min(part, 1.0), 1), height=6, rx=3),
        viewBox="0 0 100 6", preserveAspectRatio="none", class_="meter", aria_hidden="true",
    )  # fmt: skip
    return _tile(f"Slots for {of['type']}", f"{of['slotsUsed']} of {of['slots']}", connected, meter)


def _tile(label: str, value: str, more: str, picture: str = "") -> str:
    return tag(
        "div",
        tag("h3", text(label)),
        tag("p", text(value), class_="figure"),
        picture,
        tag("p", text(more), class_="dim"),
        class_="card tile",
    )


def _charts(report: Given) -> str:
    hour, day = report["lastHour"]["minutes"], report["lastDay"]["quarters"]
    ends = ("an hour ago", "now"), ("a day ago", "now")
    return tag(
        "section",
        bars("Jobs, last hour", hour, JOBS, ends[0]),
        bars("Jobs, last day", day, JOBS, ends[1]),
        bars("Tokens, last hour", hour, TOKENS, ends[0]),
        bars("Tokens, last day", day, TOKENS, ends[1]),
        *(
            bars(f"Cost in {currency}, last {span}", parts, _layer(currency), end, money)
            for currency in list(report["lastDay"]["cost"])[:MOST_CURRENCIES]
            for span, parts, end in (("hour", hour, ends[0]), ("day", day, ends[1]))
        ),
        class_="charts",
        aria_label="Throughput",
    )


def _layer(currency: str) -> tuple[Layer, ...]:
    return (Layer(f"{COST}{currency}", currency, "accent"),)


def _jobs(report: Given) -> str:
    rows = (
        (
            str(job["jobKey"]),
            job["processId"],
            job["elementId"],
            job["model"] or "–",
            STATES[job["state"]],
            _span(job["seconds"]),
        )
        for job in report["jobs"]
    )
    title = f"Jobs being worked on: {report['jobsInAll']}"
    if report["jobsInAll"] > len(report["jobs"]):
        title += f", the {len(report['jobs'])} oldest"
    columns = ("Job", "Process", "Element", "Model", "It now", "For")
    return _section(title, _table(columns, rows, "No job is worked on now.", title="Jobs being worked on"))


def _waiting(report: Given) -> str:
    rows = (
        (str(one["jobKey"]), one["processId"], one["elementId"], one["id"], _span(one["seconds"]))
        for one in report["waiting"]
        if one["kind"] != "batch"
    )
    columns = ("Job", "Process", "Element", "Response", "For")
    alone = report["waitingInAll"] - sum(batch["jobs"] for batch in report["batches"])
    title = f"Calls that wait for their answer: {alone}"
    empty = "This worker has seen none in the last hour."
    return _section(title, _table(columns, rows, empty, title="Calls that wait for their answer"))


def _batches(report: Given) -> str:
    """Write the batches, where there are any: few tasks can wait for a day."""
    rows = [(one["id"], str(one["jobs"]), _span(one["seconds"])) for one in report["batches"]]
    if not rows:
        return ""
    return _section("Batches", _table(("Batch", "Jobs that wait for it", "For"), rows, "", title="Batches"))


def _failures(report: Given) -> str:
    rows = (
        (
            _clock(failure["at"]),
            str(failure["jobKey"]),
            failure["processId"],
            failure["elementId"],
            " ".join(filter(None, (failure["errorType"], failure["errorCode"]))) or "–",
            INCIDENT if failure["incident"] else "tried again",
            failure["advice"],
        )
        for failure in report["failures"]
    )
    columns = ("At (UTC)", "Job", "Process", "Element", "Error", "Became", "What to do")
    empty, title = "No job has failed since the start.", "Last failures"
    return _section(title, _table(columns, rows, empty, title=title, marked=INCIDENT))


def _limits(report: Given) -> str:
    rows = [(host, "–", "is down", _span(seconds)) for host, seconds in report["hostsDown"].items()]
    rows += [
        (limit["host"], limit["model"], "rate limit; asked again in", _span(limit["seconds"]))
        for limit in report["limits"]
    ]
    columns = ("Host", "Model", "Held back", "Time")
    title = "Limits and outages"
    return _section(title, _table(columns, rows, "Nothing is held back.", title=title))


def _budgets(report: Given) -> str:
    if not report["budgets"]:
        return ""
    rows = (
        (
            budget["name"],
            f"{budget['spent']:.2f} of {budget['amount']:.2f} {budget['currency']} a {budget['per']}",
            f"{budget['spent'] / budget['amount']:.0%}" if budget["amount"] else "–",
            _clock(budget["until"]),
        )
        for budget in report["budgets"]
    )
    columns = ("Budget", "Spent and reserved", "Part", "Until (UTC)")
    return _section("Budgets", _table(columns, rows, "", title="Budgets"))


def _store(report: Given) -> str:
    store = report["store"]
    if store is None:
        told = "There is none (CONNECTOR_STORE): an answer is paid for again where its worker is killed."
        return _section("Store", tag("p", text(told), class_="empty"))
    state = store["problem"] or "works"
    rows = [
        ("State", state),
        ("Needed to take jobs", "yes" if store["required"] else "no"),
        ("Answers used again instead of bought", str(store["answersReused"])),
        ("Calls of killed workers, possibly paid and lost", str(store["callsLost"])),
        ("Answers that it did not take", str(store["answersNotStored"])),
    ]
    return _section("Store", _table(("Since the start", "Is"), rows, "", title="Store"))


def _section(title: str, inner: str) -> str:
    return tag("section", tag("h2", text(title)), inner, class_="card part")


def _table(columns: Cells, rows: Iterable[Cells], empty: str, *, title: str, marked: str = "") -> str:
    """Return a table in a box that can be scrolled, by keyboard too; cells that hold `marked` stand out."""
    head = tag("thead", tag("tr", *(tag("th", text(name), scope="col") for name in columns)))
    body = [
        tag(
            "tr",
            *(
                tag("td", text(cell), data_label=name, class_=_style(cell, marked))
                for name, cell in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    if not body:
        return tag("p", text(empty), class_="empty")
    table, id_ = tag("table", head, tag("tbody", *body)), title.lower().replace(" ", "-")
    return tag("div", table, class_="wide", id=id_, role="region", aria_label=title, tabindex=0)


def _style(cell: str, marked: str) -> str | None:
    """Return the class of a cell: words are kept whole unless they are too long for that."""
    if len(cell) > LONG and max(map(len, cell.split()), default=0) > LONG:
        return "long"
    return "marked" if cell == marked else None


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds)))
