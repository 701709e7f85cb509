"""Reading XML with the place of everything."""

from __future__ import annotations

import pytest

from openai_connector.tools.diagrams.markup import DiagramError, Edit, Markup, Span, escaped
from openai_connector.tools.diagrams.tasks import tasks_of

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"


def test_spans_are_those_of_elements_and_attribute_values() -> None:
    """Comments, CDATA, entities, quotes of both kinds and > inside values do not move a place."""
    b_written = "<b\n x='1 > 0 &amp; &#228;' y = \"'\"/>"
    text = f"<?xml version='1.0'?><!-- <b x='no'/> --><a><![CDATA[<b x='no'/>]]>{b_written}<c ></c ></a>"
    markup = Markup.read(text.encode())
    b, c = markup.root.children
    assert markup.raw(Span(b.start, b.end)) == b_written
    assert (b.get("x"), markup.raw(b.attributes["", "x"].span)) == ("1 > 0 & ä", "1 > 0 &amp; &#228;")
    assert markup.raw(b.attributes["", "y"].span) == "'"
    assert markup.raw(Span(c.start, c.end)) == "<c ></c >"


def test_namespaces_hold_whatever_the_prefixes_are() -> None:
    """A default namespace, one that is declared in the middle, and its prefix in scope are told."""
    markup = Markup.read(b'<a xmlns="one"><z:b xmlns:z="two" z:x="1" y="2"/></a>')
    (child,) = markup.root.children
    assert (markup.root.namespace, child.namespace, child.name, child.tag) == ("one", "two", "b", "z:b")
    assert (child.get("x", "two"), child.get("x"), child.get("y")) == ("1", None, "2")
    assert child.prefixes == {"": "one", "z": "two"}


@pytest.mark.parametrize(
    ("start", "encoding"),
    [
        (b"", "utf-8"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "iso-8859-1"),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_edit_leaves_every_other_byte(start: bytes, encoding: str, line_break: str) -> None:
    """In each encoding, an edit changes its span; what the encoding lacks becomes a character reference."""
    declared = "utf-16" if "16" in encoding else encoding
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<a x="é">\n  <b y="1"/>\n</a>\n'.replace(
        "\n", line_break
    )
    markup = Markup.read(start + text.encode(encoding))
    assert markup.edited([]) == start + text.encode(encoding)
    changed = markup.edited([Edit(markup.root.children[0].attributes["", "y"].span, "é→")])
    new = "é&#8594;" if encoding == "iso-8859-1" else "é→"
    assert changed == start + text.replace('y="1"', f'y="{new}"').encode(encoding)


def test_declared_utf_16_that_is_utf_8_is_read() -> None:
    """A file of ASCII bytes that calls itself UTF-16, as some tools write it, is read as what it is."""
    assert Markup.read(b'<?xml version="1.0" encoding="UTF-16"?><a/>').root.name == "a"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not well-formed XML: no element found (line 1, column 1)"),
        (b"<a>\n  <b></a>", "is not well-formed XML: mismatched tag (line 2, column 8)"),
        (b"<a>&b;</a>", "is not well-formed XML: undefined entity (line 1, column 4)"),
        (b"<p:a/>", "is not well-formed XML: unbound prefix (line 1, column 1)"),
        (b"<a>\xff</a>", "is not readable as UTF-8 (byte 3): save it in UTF-8"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "is not readable as KLINGON: save it in UTF-8"),
        (b"\xff\xfe<\0a\0>\0\0\xdc<\0/\0a\0>\0", "is not readable as UTF-16-LE"),
        (
            b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>\n<a>&c;</a>',
            "has a document type (<!DOCTYPE>, line 1), which no BPMN diagram needs: remove it",
        ),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a document type"),
    ],
)
def test_unreadable_file_is_one_sentence(data: bytes, message: str) -> None:
    """Whatever is wrong with a file is said in one sentence, with line and column where there are any."""
    with pytest.raises(DiagramError) as error:
        Markup.read(data)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_xml_that_is_no_diagram_is_refused() -> None:
    """A root element of another language is named."""
    with pytest.raises(DiagramError, match="is no BPMN diagram: its root element is <svg>"):
        tasks_of(Markup.read(b'<svg xmlns="http://www.w3.org/2000/svg"/>'))


def test_escaped_value_is_read_back() -> None:
    """Every character that means something in XML survives in an attribute, line breaks among them."""
    value = "<a b=\"c\" d='e'>&amp;\n\t\r]]>"
    assert Markup.read(f"<a x=\"{escaped(value)}\" y='{escaped(value)}'/>".encode()).root.get("y") == value


def test_tasks_are_found_under_any_prefix() -> None:
    """A task in a sub-process, with prefixes of its own, gives its inputs, headers and ids."""
    text = f"""<definitions xmlns="{BPMN}" xmlns:z="http://camunda.org/schema/zeebe/1.0"><process id="p">
    <subProcess id="s"><sendTask id="t" name="Two&#10;lines" z:modelerTemplate="x"><extensionElements>
    <z:taskDefinition type=" job "/><z:ioMapping><z:input source="=a" target="b.c"/><z:input target="d"/>
    <z:output source="=x" target="y"/></z:ioMapping><z:taskHeaders><z:header key="k" value="v"/></z:taskHeaders>
    </extensionElements></sendTask></subProcess><task id="other"/></process></definitions>"""
    (task,) = tasks_of(Markup.read(text.encode()))
    assert (task.element_id, task.name, task.job_type, task.template_id) == ("t", "Two lines", "job", "x")
    assert [(i.target, i.source, i.variable, i.is_feel) for i in task.inputs] == [
        ("b.c", "=a", "b", True),
        ("d", None, "d", False),
    ]
    assert [(header.key, header.value) for header in task.headers] == [("k", "v")]
    assert task.has_outputs()
    assert task.node.line == 2
