"""The picture of a diagram.

Every kind of element, places as the file gives them, and files that mean harm.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_engine.diagram.reader import read
from local_engine.errors import DiagramError
from openai_connector.tools.sandbox.web.drawing import draw
from openai_connector.tools.sandbox.web.picture.geometry import FARTHEST
from openai_connector.tools.sandbox.web.picture.model import ACTIVITIES, GATEWAYS, TASKS
from tests.sandbox.places import bounds, definition, diagram, edge, element, flow, plane, process, shape

ROOT = Path(__file__).parents[2]
DIAGRAMS = [
    *sorted((ROOT / "examples").glob("*.bpmn")),
    ROOT / "worker/openai_connector/tools/demo/answer-customer.bpmn",
]
SVG = "{http://www.w3.org/2000/svg}"
ICON = "data:image/svg+xml;utf8,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E"


class Picture:
    """A picture that was drawn, to be asked for what is in it."""

    def __init__(self, content: bytes, process_id: str = "p") -> None:
        self.svg = draw(content, process_id)
        self.root = ET.fromstring(self.svg)
        self.groups = {
            group.get("data-element", ""): group
            for group in self.root.iter(f"{SVG}g")
            if group.get("data-element") is not None
        }

    def group(self, element_id: str) -> ET.Element:
        """Return the group of an element."""
        return self.groups[element_id]

    def classes(self, element_id: str) -> set[str]:
        """Return the classes of an element's group."""
        return set(self.group(element_id).get("class", "").split())

    def parts(self, element_id: str, kind: str) -> list[ET.Element]:
        """Return the parts of an element that have a class."""
        return [part for part in self.group(element_id).iter() if kind in part.get("class", "").split()]

    def body(self, element_id: str) -> ET.Element:
        """Return the outline of an element."""
        (body,) = self.parts(element_id, "body")
        return body

    def texts(self, element_id: str) -> list[str]:
        """Return the lines of text at an element."""
        return [line.text or "" for line in self.group(element_id).iter(f"{SVG}tspan")]

    def place(self, element_id: str) -> tuple[float, ...]:
        """Return x, y, width and height of an activity's outline."""
        body = self.body(element_id)
        return tuple(float(body.get(name, "")) for name in ("x", "y", "width", "height"))

    def signs(self, element_id: str) -> list[str]:
        """Return what the signs in an element are drawn with."""
        drawn = (ET.tostring(each, "unicode") for each in self.parts(element_id, "sign"))
        return [re.sub(r' transform="[^"]*"', "", sign) for sign in drawn]

    def view(self) -> tuple[float, ...]:
        """Return the picture's own place: x, y, width, height."""
        return tuple(float(part) for part in self.root.get("viewBox", "").split())


def one(kind: str, *inner: str, **attributes: str) -> Picture:
    """Draw a diagram of one element `x`."""
    return Picture(
        diagram(process(element(kind, "x", *inner, **attributes)), plane("p", shape("x", bounds(10, 20))))
    )


@pytest.mark.parametrize("path", DIAGRAMS, ids=lambda path: path.stem)
def test_every_diagram_of_the_repository(path: Path) -> None:
    """Each element and each flow that the engine reads is drawn, as a group that names it, inside of the picture."""
    content = path.read_bytes()
    for found in read(content):
        picture = Picture(content, found.id)
        elements = {key for key in found.elements if key != found.id}
        flows = {each.id for element in found.elements.values() for each in element.outgoing}
        assert elements | flows <= set(picture.groups)
        assert "sequenceFlow" in picture.classes(next(iter(flows)))
        icons = [image.get("href", "") for image in picture.root.iter(f"{SVG}image")]
        assert len(icons) == content.count(b"modelerTemplateIcon=")
        assert all(icon.startswith("data:image/") for icon in icons)


def test_places_are_those_of_the_file() -> None:
    """Shapes stand where the file places them, lines go through its points, and the view is around both."""
    picture = Picture(
        diagram(
            process(element("task", "a", name="A"), element("task", "b", name="B"), flow("a", "b")),
            plane(
                "p",
                shape("a", bounds(-300, -200)),
                shape("b", bounds(50, 60, 120, 90)),
                edge("a-b", (-200, -160), (0, -160), (0, 100), (50, 100)),
            ),
        )
    )
    assert picture.place("a") == (-300, -200, 100, 80)
    assert picture.place("b") == (50, 60, 120, 90)
    (line,) = picture.parts("a-b", "line")
    assert line.get("d", "").startswith("M-200 -160L-6 -160Q0 -160 0 -154L0 94Q0 100 6 100")
    (head,) = picture.parts("a-b", "head")
    assert head.get("points", "").startswith("50,100 ")
    x, y, width, height = picture.view()
    assert (x, y) == (-316, -216)
    assert (x + width, y + height) == (186, 166)


EVENT_SIGNS = (
    "message",
    "timer",
    "error",
    "signal",
    "escalation",
    "compensate",
    "conditional",
    "link",
    "terminate",
)


def test_events_have_signs_of_their_own() -> None:
    """No two kinds of event look alike, a none event has no sign, and one that throws has a filled one."""
    signs = {kind: one("intermediateThrowEvent", definition(kind)).signs("x") for kind in EVENT_SIGNS}
    assert len({str(sign) for sign in signs.values()}) == len(EVENT_SIGNS)
    assert all(len(sign) == 1 for sign in signs.values())
    assert one("startEvent").signs("x") == []
    catches = one("intermediateCatchEvent", definition("message"))
    throws = one("intermediateThrowEvent", definition("message"))
    assert not catches.parts("x", "solid")
    assert throws.parts("x", "solid")


@pytest.mark.parametrize(
    ("kind", "rings", "width"),
    [
        pytest.param("startEvent", 0, "2", id="start"),
        pytest.param("endEvent", 0, "4", id="end"),
        pytest.param("intermediateCatchEvent", 1, "2", id="intermediate"),
        pytest.param("boundaryEvent", 1, "2", id="boundary"),
    ],
)
def test_outlines_of_events(kind: str, rings: int, width: str) -> None:
    """A start event is a thin circle, an end event a thick one, all others are two circles."""
    picture = one(kind)
    assert len(picture.parts("x", "inner")) == rings
    assert picture.body("x").get("stroke-width") == width
    assert picture.body("x").get("stroke-dasharray") is None


@pytest.mark.parametrize(
    ("kind", "attribute"),
    [
        pytest.param("boundaryEvent", "cancelActivity", id="boundary"),
        pytest.param("startEvent", "isInterrupting", id="start of an event sub-process"),
    ],
)
def test_events_that_interrupt_nothing_are_dashed(kind: str, attribute: str) -> None:
    """An event that lets the activity go on has a dashed outline."""
    picture = one(kind, definition("timer"), **{attribute: "false"})
    assert picture.body("x").get("stroke-dasharray")


def test_events_of_several_definitions() -> None:
    """An event of two definitions is one of its own kind, whether one of them is enough or all are needed."""
    both = (definition("message"), definition("timer"))
    any_of = one("intermediateCatchEvent", *both).signs("x")
    all_of = one("intermediateCatchEvent", *both, parallelMultiple="true").signs("x")
    assert any_of
    assert all_of
    assert any_of != all_of


def test_gateways_and_tasks_have_signs_of_their_own() -> None:
    """No two kinds of gateway or task look alike; a plain task has no sign."""
    gateways = {str(one(kind).signs("x")) for kind in GATEWAYS}
    assert len(gateways) == len(GATEWAYS)
    tasks = {str(one(kind).signs("x")) for kind in TASKS}
    assert len(tasks) == len(TASKS)
    assert one("task").signs("x") == []


def test_an_exclusive_gateway_without_its_cross() -> None:
    """A gateway whose marker the file hides is an empty diamond."""
    place = shape("x", bounds(0, 0, 50, 50), isMarkerVisible="false")
    assert Picture(diagram(process(element("exclusiveGateway", "x")), plane("p", place))).signs("x") == []


ROUNDS = '<bpmn:multiInstanceLoopCharacteristics isSequential="{}"/>'


@pytest.mark.parametrize("kind", sorted(ACTIVITIES - {"transaction"}))
def test_repetitions_are_marked(kind: str) -> None:
    """Rounds side by side, one after the other, and loops have marks of their own on every activity."""
    plain = one(kind).signs("x")
    signs = [
        one(kind, inner).signs("x")
        for inner in (ROUNDS.format("false"), ROUNDS.format("true"), "<bpmn:standardLoopCharacteristics/>")
    ]
    assert all(len(sign) == len(plain) + 1 for sign in signs)
    assert len({str(sign) for sign in signs}) == 3


def test_call_activities_and_sub_processes() -> None:
    """A call activity has a thick outline, a collapsed sub-process a plus, an expanded one nothing but its name."""
    assert one("callActivity").body("x").get("stroke-width") == "4.5"
    content = process(
        element("subProcess", "x", element("task", "inner"), name="Sub", triggeredByEvent="true")
    )
    closed = Picture(diagram(content, plane("p", shape("x", bounds(0, 0), isExpanded="false"))))
    opened = Picture(
        diagram(
            content,
            plane("p", shape("x", bounds(0, 0, 300, 200), isExpanded="true"), shape("inner", bounds(9, 9))),
        )
    )
    assert len(closed.signs("x")) == 1
    assert "inner" not in closed.groups
    assert opened.signs("x") == []
    assert "expanded" in opened.classes("x")
    assert "inner" in opened.groups
    assert opened.body("x").get("stroke-dasharray")  # an event sub-process is dashed


def test_what_is_hidden_in_a_collapsed_sub_process() -> None:
    """What the same plane places inside of a collapsed sub-process is not drawn, nor are the lines to it."""
    content = process(
        element("subProcess", "x", element("task", "a"), element("task", "b"), flow("a", "b")),
        element("task", "c"),
    )
    picture = Picture(
        diagram(
            content,
            plane(
                "p",
                shape("x", bounds(0, 0), isExpanded="false"),
                shape("a", bounds(10, 10)),
                shape("b", bounds(200, 10)),
                shape("c", bounds(400, 0)),
                edge("a-b", (110, 50), (200, 50)),
            ),
        )
    )
    assert set(picture.groups) == {"x", "c"}


def test_planes_of_collapsed_sub_processes() -> None:
    """A collapsed sub-process's own plane is drawn below, in a frame with its name, one of another process is not."""
    inner = process(
        element("subProcess", "x", element("task", "a"), element("task", "b"), flow("a", "b"), name="Sub")
    )
    other = process(element("subProcess", "y", element("task", "z"), name="Other"), process_id="q")
    picture = Picture(
        diagram(
            inner,
            other,
            plane("p", shape("x", bounds(0, 0), isExpanded="false")),
            plane(
                "x",
                shape("a", bounds(900, 900)),
                shape("b", bounds(1100, 900)),
                edge("a-b", (1000, 940), (1100, 940)),
            ),
            plane("y", shape("z", bounds(0, 0))),
        )
    )
    assert {"x", "a", "b", "a-b"} == set(picture.groups)
    (frame,) = (group for group in picture.root.iter(f"{SVG}g") if group.get("class") == "plane")
    assert [line.text for line in next(frame.iter(f"{SVG}text"))] == ["Sub"]
    assert {"a", "b"} <= {group.get("data-element") for group in frame.iter(f"{SVG}g")}
    _, _, width, height = picture.view()
    assert width < 500  # the plane's own coordinates begin anew
    assert height < 400


def test_default_flows_conditions_and_message_flows() -> None:
    """A default flow has a slash, a condition at a task a diamond (none at a gateway), a message flow is dashed."""
    condition = "<bpmn:conditionExpression>=true</bpmn:conditionExpression>"
    tasks = [element("task", key) for key in ("a", "b", "c")]
    gateway = element("exclusiveGateway", "g", default="g-c")
    flows = flow("a", "b", condition) + flow("g", "b", condition, name="yes") + flow("g", "c", name="no")
    collaboration = (
        '<bpmn:collaboration id="co"><bpmn:participant id="us" name="Us" processRef="p"/>'
        f'<bpmn:participant id="them" '
        f'name="Them"/>{flow("them", "a", kind="messageFlow")}</bpmn:collaboration>'
    )
    shapes = [shape(key, bounds(200 * number, 100)) for number, key in enumerate(("a", "b", "c", "g"))]
    lines = [edge(key, (0, 0), (90, 0)) for key in ("a-b", "g-b", "g-c", "them-a")]
    pools = shape("us", bounds(-50, 80, 900, 200)) + shape("them", bounds(-50, -50, 900, 60))
    picture = Picture(
        diagram(collaboration, process(*tasks, gateway, flows), plane("co", pools, *shapes, *lines))
    )
    assert len(picture.parts("g-c", "slash")) == 1
    assert len(picture.parts("a-b", "tail")) == 1
    assert picture.parts("g-b", "slash") == picture.parts("g-b", "tail") == []
    assert picture.texts("g-b") == ["yes"]
    assert picture.parts("them-a", "line")[0].get("stroke-dasharray")
    assert "messageFlow" in picture.classes("them-a")


def test_pools_and_lanes() -> None:
    """Pools and lanes are frames with their names; a pool without a process has its name in the middle."""
    lanes = '<bpmn:laneSet><bpmn:lane id="l" name="Clerk"/></bpmn:laneSet>'
    collaboration = (
        '<bpmn:collaboration id="co"><bpmn:participant id="us" name="Us" processRef="p"/>'
        '<bpmn:participant id="up" name="Upright" processRef="p"/><bpmn:participant id="them" name="Them"/>'
        "</bpmn:collaboration>"
    )
    picture = Picture(
        diagram(
            collaboration,
            process(lanes, element("task", "a")),
            plane(
                "co",
                shape("us", bounds(0, 0, 600, 200)),
                shape("l", bounds(30, 0, 570, 200)),
                shape("up", bounds(700, 0, 200, 600), isHorizontal="false"),
                shape("them", bounds(0, 300, 600, 60)),
                shape("a", bounds(100, 50)),
            ),
        )
    )
    assert all("frame" in picture.classes(key) for key in ("us", "l", "up", "them"))
    assert [picture.texts(key) for key in ("us", "l", "up", "them")] == [
        ["Us"],
        ["Clerk"],
        ["Upright"],
        ["Them"],
    ]
    turned = [
        any("rotate" in part.get("transform", "") for part in picture.group(key).iter())
        for key in ("us", "up")
    ]
    assert turned == [True, False]
    assert len(picture.parts("us", "inner")) == 1
    assert picture.parts("them", "inner") == []
    order = [group.get("data-element") for group in picture.root.iter(f"{SVG}g") if group.get("data-element")]
    assert order.index("us") < order.index("l") < order.index("a")


def test_artifacts_and_data() -> None:
    """Annotations with their lines, groups with the value of their category, data.

    And the lines to them are drawn.
    """
    category = '<bpmn:category id="c"><bpmn:categoryValue id="cv" value="A group"/></bpmn:category>'
    reads = '<bpmn:dataInputAssociation id="reads"><bpmn:sourceRef>order</bpmn:sourceRef></bpmn:dataInputAssociation>'
    picture = Picture(
        diagram(
            category,
            process(
                element("task", "a", reads),
                element("textAnnotation", "note", "<bpmn:text>First\nsecond</bpmn:text>"),
                element("association", "to", sourceRef="a", targetRef="note", associationDirection="One"),
                element("group", "g", categoryValueRef="cv"),
                element("dataObjectReference", "order", name="Order"),
                element("dataStoreReference", "store", name="Store"),
            ),
            plane(
                "p",
                shape("a", bounds(0, 0)),
                shape("note", bounds(200, 0, 60, 60)),
                shape("g", bounds(-20, -20, 400, 300)),
                shape("order", bounds(0, 200, 36, 50)),
                shape("store", bounds(100, 200, 50, 50)),
                edge("to", (100, 40), (200, 40)),
                edge("reads", (18, 200), (40, 80)),
            ),
        )
    )
    assert picture.texts("note") == ["First", "second"]
    assert picture.texts("g") == ["A group"]
    assert picture.texts("order") == ["Order"]
    assert all(picture.parts(key, "line")[0].get("stroke-dasharray") for key in ("to", "reads"))
    assert len(picture.parts("to", "head")) == 1


# Names


def test_names_are_wrapped_into_their_shapes() -> None:
    """A long name takes several lines in its task, what is beyond all room ends with dots, the title has all of it."""
    name = "Answer the customer politely, but in a few words and with all that was asked for, twice"
    picture = one("task", name=name)
    lines = picture.texts("x")
    assert 3 <= len(lines) <= 5
    assert lines[-1].endswith("…")
    assert picture.group("x").findtext(f"{SVG}title") == name
    assert one("task", name="Donaudampfschifffahrtsgesellschaft").texts("x")[0].startswith("Donau")


def test_labels_stand_where_the_file_places_them() -> None:
    """The name of an event and of a flow is centered in its label's bounds; without any it stands below."""
    content = process(
        element("startEvent", "s", name="Go"), element("endEvent", "e", name="End"), flow("s", "e", name="on")
    )
    picture = Picture(
        diagram(
            content,
            plane(
                "p",
                shape("s", bounds(0, 0, 36, 36), bounds(200, -70, 40, 14)),
                shape("e", bounds(300, 0, 36, 36)),
                edge("s-e", (36, 18), (300, 18), label=bounds(100, 50, 20, 14)),
            ),
        )
    )
    x = {key: float(next(picture.group(key).iter(f"{SVG}tspan")).get("x", "")) for key in ("s", "e", "s-e")}
    y = {key: float(next(picture.group(key).iter(f"{SVG}tspan")).get("y", "")) for key in ("s", "e", "s-e")}
    assert x == {"s": 220, "e": 318, "s-e": 110}
    assert -70 < y["s"] < -56
    assert 36 < y["e"] < 60
    assert 50 < y["s-e"] < 64


HOSTILE = '"><script>alert(1)</script><g onload="x" a=\'&amp;'


def hostile_diagram() -> bytes:
    """Return a diagram whose every text is an attack."""
    attack = HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    task = (
        f'<bpmn:task id="{attack}" name="{attack}" zeebe:modelerTemplateIcon="data:image/svg+xml,{attack}"/>'
    )
    note = f'<bpmn:textAnnotation id="n"><bpmn:text>{attack}</bpmn:text></bpmn:textAnnotation>'
    named = f'<bpmn:process id="p" name="{attack}" isExecutable="true">{task}{note}</bpmn:process>'
    return diagram(named, plane("p", shape(attack, bounds(0, 0)), shape("n", bounds(200, 0))))


def test_hostile_names_stay_text() -> None:
    """Names and ids that look like markup are text: no script, no handler, no element comes of them."""
    picture = Picture(hostile_diagram())
    assert HOSTILE.replace("&amp;", "&") not in picture.svg
    assert HOSTILE in picture.groups
    tags = {part.tag.removeprefix(SVG) for part in picture.root.iter()}
    assert tags <= {"svg", "g", "title", "rect", "path", "text", "tspan", "image", "circle", "polygon"}
    names = {name for part in picture.root.iter() for name in part.attrib}
    assert not {name for name in names if name.lower().startswith("on")}


@pytest.mark.parametrize(
    "icon",
    [
        pytest.param("https://example.com/icon.png", id="elsewhere"),
        pytest.param("//example.com/icon.png", id="elsewhere without scheme"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("data:text/html,&lt;script&gt;", id="page"),
        pytest.param("data:image/svg+xmlx,", id="no image type"),
        pytest.param(f"data:image/png,{'x' * 300_000}", id="huge"),
    ],
)
def test_icons_from_elsewhere_are_left_out(icon: str) -> None:
    """Only an image inside of the diagram itself is shown.

    With any other icon the task has its usual sign.
    """
    task = f'<bpmn:serviceTask id="x" zeebe:modelerTemplateIcon="{icon}"/>'
    picture = Picture(diagram(process(task), plane("p", shape("x", bounds(0, 0)))))
    assert not [*picture.root.iter(f"{SVG}image")]
    assert picture.signs("x") == one("serviceTask").signs("x")


def test_an_icon_of_the_template_is_shown() -> None:
    """A template's icon stands in the place of the task's own sign."""
    task = f'<bpmn:serviceTask id="x" zeebe:modelerTemplateIcon="{ICON}"/>'
    picture = Picture(diagram(process(task), plane("p", shape("x", bounds(0, 0)))))
    assert [image.get("href") for image in picture.root.iter(f"{SVG}image")] == [ICON]
    assert picture.signs("x") == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff", id="no text"),
        pytest.param(b"<html/>", id="no diagram"),
        pytest.param(b"<a><b></a>", id="no XML"),
        pytest.param(b'<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>', id="entities"),
        pytest.param(
            b'<?xml version="1.0"?><!-- x --><!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>', id="document type"
        ),
    ],
)
def test_files_that_are_no_diagrams(content: bytes) -> None:
    """What is no BPMN, or has a document type, is refused."""
    with pytest.raises(DiagramError):
        draw(content, "p")


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(bounds("NaN", 0), id="not a number"),
        pytest.param(bounds("Infinity", 0), id="infinite"),
        pytest.param(bounds("x", 0), id="text"),
        pytest.param(bounds(0, 0, -10, 80), id="negative width"),
        pytest.param(bounds(0, 0, 0, 0), id="no size"),
        pytest.param("", id="none"),
    ],
)
def test_places_that_are_none(place: str) -> None:
    """An element whose place cannot be read is laid out like one that has none."""
    picture = Picture(diagram(process(element("task", "x", name="X")), plane("p", shape("x", place))))
    assert picture.place("x")[2:] == (100, 80)


def test_places_far_away_are_brought_near() -> None:
    """A coordinate that no screen can show is cut, so that the picture keeps a size."""
    picture = Picture(
        diagram(process(element("task", "x")), plane("p", shape("x", bounds("1e300", "-1e300"))))
    )
    assert max(abs(value) for value in picture.view()) <= FARTHEST + 200


def test_deep_and_huge_diagrams() -> None:
    """Sub-processes in sub-processes beyond Python's stack, and thousands of tasks, are drawn in a moment."""
    depth = 3000
    deep = "".join(f'<bpmn:subProcess id="s{n}">' for n in range(depth)) + "</bpmn:subProcess>" * depth
    assert "s0" in Picture(diagram(process(deep))).groups
    tasks = "".join(
        element("task", f"t{n}", name=f"Task {n}") + flow(f"t{n}", f"t{n + 1}") for n in range(3000)
    )
    assert len(Picture(diagram(process(tasks, element("task", "t3000")))).groups) == 3001 + 3000


# A layout of our own


def laid_out(*parts: str) -> Picture:
    """Draw a process that places nothing."""
    return Picture(diagram(process(*parts)))


def overlaps(picture: Picture) -> Iterator[tuple[str, str]]:
    """Yield the pairs of activities that cover each other."""
    places = {
        key: picture.place(key)
        for key, group in picture.groups.items()
        if "activity" in group.get("class", "")
    }
    for first, (x, y, width, height) in places.items():
        for second, (left, top, wide, high) in places.items():
            if (
                first < second
                and x < left + wide
                and left < x + width
                and y < top + high
                and top < y + height
            ):
                yield first, second


def test_a_diagram_without_places() -> None:
    """Each element is behind those that lead to it, nothing covers another, and each flow has its line."""
    picture = laid_out(
        *(element("task", key) for key in "abcdef"),
        *(flow(*ends) for ends in ("ab", "ac", "bd", "cd", "de", "eb", "ff")),
    )
    left = {key: picture.place(key)[0] for key in "abcdef"}
    assert left["a"] < left["b"] == left["c"] < left["d"] < left["e"]
    assert [*overlaps(picture)] == []
    assert {"a-b", "a-c", "b-d", "c-d", "d-e", "e-b", "f-f"} <= set(picture.groups)


def test_sub_processes_without_places() -> None:
    """What stands in a sub-process is drawn inside of it, a boundary event on its edge."""
    picture = laid_out(
        element("subProcess", "s", element("task", "a"), element("task", "b"), flow("a", "b"), name="Sub"),
        element("boundaryEvent", "late", definition("timer"), attachedToRef="s"),
        element("task", "after"),
        flow("s", "after"),
        element("task", "reminder"),
        flow("late", "reminder"),
    )
    x, y, width, height = picture.place("s")
    for key in "ab":
        left, top, wide, high = picture.place(key)
        assert x < left
        assert y < top
        assert left + wide < x + width
        assert top + high < y + height
    assert float(picture.body("late").get("cy", "")) == y + height
    assert picture.place("after")[0] > x + width
    assert picture.place("reminder")[1] > picture.place("after")[1]


def test_what_the_file_forgot_stands_below() -> None:
    """An element without a place among others that have one is drawn below them, with its flow."""
    picture = Picture(
        diagram(
            process(element("task", "a"), element("task", "b"), flow("a", "b")),
            plane("p", shape("a", bounds(0, 0))),
        )
    )
    assert picture.place("b")[1] > 80
    assert "a-b" in picture.groups


def test_an_empty_process() -> None:
    """A process without elements is an empty picture."""
    assert Picture(diagram(process())).groups == {}


def test_one_process_of_several() -> None:
    """The picture is that of the process asked for, where each has a plane of its own."""
    content = diagram(
        process(element("task", "a")),
        process(element("task", "b"), process_id="q"),
        plane("p", shape("a", bounds(0, 0))),
        plane("q", shape("b", bounds(0, 0))),
    )
    assert set(Picture(content, "p").groups) == {"a"}
    assert set(Picture(content, "q").groups) == {"b"}
