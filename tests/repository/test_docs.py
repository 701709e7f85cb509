"""README and docs keep their promises: complete tables, links that lead somewhere, commands that work."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs import tables
from openai_connector import __version__, cli, openai_api, settings
from openai_connector.commands.evaluate import outcome_of
from openai_connector.contract import OVERRIDES, ExitStatus
from openai_connector.observe import points
from openai_connector.openai_api import ApiError
from openai_connector.tasks.operations import INPUT_NAMES, OPERATIONS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FRONT = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (*(ROOT / name for name in FRONT), *sorted(DOCS.rglob("*.md")))
}
TEXT = "\n".join(PAGES.values())
SOURCE = "".join(path.read_text("utf-8") for path in (ROOT / "worker" / "openai_connector").rglob("*.py"))
HOUSE_WORDS = re.compile(r"\b(beside|anew|in work|is none|told to wait|passing)\b", re.IGNORECASE)


def page(name: str) -> str:
    """Return a page of the docs."""
    return PAGES[f"docs/{name}.md"]


def test_the_readme_is_short() -> None:
    """The front door fits on a few screens."""
    assert len(PAGES["README.md"].splitlines()) <= 150


# Tables


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_the_generated_tables_are_current(name: str) -> None:
    """A page has its tables as the code has them."""
    assert tables.current(PAGES[name]) == PAGES[name], "run `make docs`"


@pytest.mark.parametrize("name", tables.TABLES)
def test_each_table_has_a_page(name: str) -> None:
    """Each generated table is in the docs once."""
    assert TEXT.count(f"<!-- generated: {name} -->") == 1


def test_every_exit_status_is_explained() -> None:
    """The table has what the program ends with, and besides only what the system says of a killed one."""
    listed = [int(status) for status in re.findall(r"^\| (\d+) \|", page("operators/scaling"), re.MULTILINE)]
    assert listed == [*ExitStatus, 128 + signal.SIGKILL]


def test_every_error_type_is_listed() -> None:
    """Users compare `error.type`: each exception that a call may raise is in the table."""
    raised = {
        name
        for name in openai_api.__all__
        if isinstance(kind := getattr(openai_api, name), type)
        and issubclass(kind, ApiError)
        and not kind.__subclasses__()
    }
    assert raised <= {kind for kind, _, _ in tables.ERRORS}


def test_every_lint_rule_is_listed() -> None:
    """The table has the rules that `lint` has, no fewer and no more, with their severities."""
    assert set(re.findall(r'Finding\(\s*"([a-z-]+)"', SOURCE)) == set(tables.RULES)
    written = re.findall(r'Finding\(\s*"([a-z-]+)",\s*"(error|warning)"', SOURCE)
    assert [pair for pair in written if pair[1] not in tables.RULES[pair[0]][0]] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_output_is_explained(operation: str) -> None:
    """The table explains the keys of `output` that an operation has, and no others."""
    assert tuple(tables.OUTPUTS[operation]) == OPERATIONS[operation].outputs()


def test_every_input_is_listed() -> None:
    """The table has each input once."""
    listed = re.findall(r"`(openai_\w+)`", page("reference/inputs"))
    assert sorted(listed) == sorted(INPUT_NAMES)


@pytest.mark.parametrize("name", OVERRIDES.values())
def test_every_override_is_explained(name: str) -> None:
    """The way out of an incident names its variables."""
    assert f"`{name}`" in page("modelers/incidents")


# Links


def slug(heading: str) -> str:
    """Return the anchor of a heading, as readers of Markdown make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading)
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


@pytest.mark.parametrize("name", PAGES)
def test_internal_links_resolve(name: str) -> None:
    """Each relative link or picture leads to a file, and each anchor to a heading of it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_each_page_is_in_the_navigation_once() -> None:
    """No page is hidden from the site's readers, and no entry leads nowhere."""
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]

    def leaves(node: Any) -> Iterator[str]:
        for child in node.values() if isinstance(node, dict) else node:
            yield from [child] if isinstance(child, str) else leaves(child)

    entries = [entry for entry in leaves(navigation) if not entry.startswith("repository/")]
    assert sorted(entries) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_the_site_needs_no_network(tmp_path: Path) -> None:
    """The site builds without warnings, and no page of it fetches anything from elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    built = [path.read_text("utf-8") for path in tmp_path.rglob("*.html")]
    assert len(built) > 20
    fetched = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^\s>]*""")
    assert [found for text in built for found in fetched.findall(text)] == []


# Expressions and commands


def expressions(name: str) -> list[str]:
    """Return the FEEL expressions of a page, each from its = on."""
    blocks = re.findall(r"```feel\n(.*?)```", page(name), re.DOTALL)
    return [f"={text.strip()}" for block in blocks for text in re.split(r"^=", block, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize(
    ("header", "text"),
    [("resultExpression", text) for text in expressions("modelers/mapping")]
    + [("errorExpression", text) for text in expressions("modelers/errors")],
)
def test_expressions_can_be_copied(header: str, text: str) -> None:
    """Each expression works on an answer, and an error expression on a failure at each attempt too."""
    output = {
        "text": "t",
        "refusal": None,
        "flagged": True,
        "flaggedCategories": ["a"],
        "usage": {"total_tokens": 1},
    }
    cases: list[dict[str, Any]] = [{"response": {"output": output}}]
    if header == "errorExpression":
        error = {"type": "ApiStatusError", "code": "429", "message": "busy"}
        cases += [{"error": error, "retries": retries} for retries in (3, 2, 1)]
    for case in cases:
        outcome = outcome_of({**case, "headers": {header: text}})
        assert outcome["outcome"] in ("complete", "bpmnError") or outcome["errorMessage"] == "busy"


def console() -> list[str]:
    """Return the lines of all console examples, continued ones joined."""
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    return [line.strip() for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]


def examples() -> list[tuple[str, str]]:
    """Return the examples of `openai-connector evaluate` with what they print."""
    return [
        (line[2:], following)
        for line, following in itertools.pairwise(console())
        if line.startswith("$ ") and "openai-connector evaluate" in line
    ]


@pytest.mark.parametrize(("command", "printed"), examples(), ids=["an expression", "a case"])
def test_examples_print_what_the_docs_say(command: str, printed: str) -> None:
    """The examples run, and print what stands below them."""
    command = command.replace("openai-connector", f"{sys.executable} -m openai_connector")
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == printed


# Nothing is mentioned that does not exist

SHOWN = [*re.findall(r"`([^`\n]+)`", TEXT), *(line.removeprefix("$ ") for line in console())]
"""All code in the pages, in lines and in blocks."""


def test_every_command_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of the connector that a page shows is one, and so is each of its options."""
    commands = re.compile(r"^(?:\S*bin/)?openai-connector ([a-z]+)((?: .*)?)$")
    found = [match.groups() for text in SHOWN if (match := commands.match(text.partition("  #")[0]))]
    assert len(found) > 10
    for name, rest in found:
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0, name
        known = capsys.readouterr().out
        assert [option for option in re.findall(r"(?<= )--[a-z-]+", rest) if option not in known] == []


def test_every_make_target_exists() -> None:
    """Each target that a page shows is one of the Makefile's."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = [text.partition("  #")[0] for text in SHOWN]
    lines = [words.groups() for text in shown if (words := re.match(r"^(?:\S+=\S+ )?make ([a-z -]+)", text))]
    named = {target for (words,) in lines for target in words.split()}
    assert {"demo", "test", "docs"} <= named
    assert named <= known


def test_every_variable_is_a_setting() -> None:
    """Environment variables with the prefixes of settings that a page names are settings."""
    known = {name for row in settings.table() for name in row.names} | {points.VARIABLE}  # for tests alone
    named = set(re.findall(r"\b(?:CONNECTOR|ZEEBE|CAMUNDA|OPENAI)_[A-Z_]*[A-Z]\b", TEXT))
    assert "CONNECTOR_MAX_JOBS" in named
    assert named <= known


def test_every_input_that_is_named_exists() -> None:
    """Variables with the connector's prefix that a page names are inputs, overrides, or what is remembered."""
    named = set(re.findall(r"`(openai_\w*[a-zA-Z])`", TEXT)) - {"openai_connector"}  # the package
    assert named <= {*INPUT_NAMES, *OVERRIDES.values(), "openai_state"}


def test_every_error_code_exists() -> None:
    """Codes and types that a page compares or lists are those of the table, and the code has them."""
    listed = {code for cell in tables.ERRORS for code in re.findall(r"`([A-Z][A-Z_]+)`", cell[1])}
    assert [code for code in listed if f'"{code}"' not in SOURCE] == []
    kinds = {kind for kind, _, _ in tables.ERRORS}
    assert set(re.findall(r"`([A-Z][A-Za-z]+Error)`", TEXT)) <= {*kinds, "BpmnError"}
    compared = set(re.findall(r'error\.code = "([^"]+)"', TEXT))
    assert [code for code in compared if code not in listed and not code.isdigit()] == []


def test_every_test_folder_exists() -> None:
    """Folders and files of the repository that a page names are there."""
    named = set(
        re.findall(r"`((?:tests|requirements|benchmarks|element-templates|docs|\.github)/[\w./-]*)`", TEXT)
    )
    assert "tests/unit" in named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_module_exists() -> None:
    """Modules of the worker that a page names are there."""
    modules = [str(path.relative_to(ROOT)) for path in ROOT.rglob("worker/**/*.py")]
    modules += [
        str(path.relative_to(ROOT))
        for folder in ("docs", "tests")
        for path in ROOT.rglob(f"{folder}/**/*.py")
    ]
    named = set(re.findall(r"`([\w./]+\.py)`", TEXT))
    assert "connector.py" in named
    missing = [name for name in named if not any(f"/{module}".endswith(f"/{name}") for module in modules)]
    assert [name for name in missing if "NAME" not in name] == []


def fragments(name: str, heading: str, column: int) -> list[str]:
    """Return the pieces of messages that a section's table shows as code, but for the engine's own."""
    section = page(name).partition(heading)[2].partition("\n## ")[0]
    rows = [line.strip().split("|") for line in section.splitlines() if line.strip().startswith("|")]
    cells = [row[column] for row in rows if "(by the engine)" not in row[column]]
    return [text.removesuffix(" ...") for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    "text",
    fragments("modelers/incidents", "## What the message says", 1)
    + fragments("operators/monitoring", "## Alerts", 2),
)
def test_messages_to_look_for_exist(text: str) -> None:
    """What an operator is to look for in incidents and logs is what the worker says."""
    said = re.sub(r"code \d+", "code ", text).replace("answers again", "answers")
    assert said in re.sub(r'"\s*f?"', "", SOURCE)


# Language, version


@pytest.mark.parametrize("name", PAGES)
def test_pages_use_words_of_the_field(name: str) -> None:
    """Outside the tables that are made from the code, no page uses the words of a private dialect."""
    written = re.sub(r"<!-- generated.*?<!-- end -->", "", PAGES[name], flags=re.DOTALL)
    assert HOUSE_WORDS.findall(written) == []


def test_the_version_is_in_one_place() -> None:
    """The package reads its version from the code, and the changelog has it, or what comes next."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    source = ROOT / project["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{__version__}"' in source.read_text("utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog
    assert [name for name, text in PAGES.items() if __version__ in text] == []


# Files for those who contribute


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_files_for_the_forge_can_be_read(path: Path) -> None:
    """Workflows and issue forms are YAML, and each workflow's `make` targets exist."""
    text = path.read_text("utf-8")
    assert isinstance(yaml.safe_load(text), dict)
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(VENV)", ".venv")
    assert [
        name
        for name in re.findall(r"(?:run: |^ +)make (\S+)", text, re.MULTILINE)
        if f"\n{name}:" not in makefile
    ] == []


def test_the_workflow_covers_the_supported_pythons() -> None:
    """Continuous integration runs on 3.11 to 3.14, and does what `.ci/run` does."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]["test"]
    assert workflow["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    steps = [step["run"] for step in workflow["steps"] if "run" in step]
    assert steps == re.findall(r"^make .*$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)


def test_hooks_need_nothing_from_elsewhere() -> None:
    """The hooks before a commit run the tools of `.venv`; nothing is fetched."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks["repos"][0]["hooks"])
