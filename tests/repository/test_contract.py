"""Each name of the contract is written once, and each sentence has an id."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from openai_connector import contract, wording
from openai_connector.tasks.operations import INPUT_NAMES
from tests.make import sentences_in

WORKER = Path(__file__).parents[2] / "worker" / "openai_connector"
RUN_PATH = [path for path in sorted(WORKER.rglob("*.py")) if "tools" not in path.parts]
HEADERS = {*contract.HEADER_LABELS, contract.TEMPLATE_ID, contract.TEMPLATE_VERSION}
SHARED = {contract.RETRY_BACKOFF}
"""Also the name of a parameter of Camunda's `jobError`."""
VALUES = {value for value in vars(contract).values() if isinstance(value, contract.Input)}
NAMES = {
    *(HEADERS - SHARED),
    *(given.name for given in VALUES),
    *contract.OWN_VARIABLES,
    contract.JOB_TYPE,
    contract.CAMUNDA_HTTP_JOB_TYPE,
    contract.DEFAULT_BASE_URL,
    contract.OPENAI_HOST,
}


def strings(path: Path) -> set[str]:
    """Return the string constants of a module."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("path", RUN_PATH, ids=lambda path: str(path.relative_to(WORKER)))
def test_no_name_of_the_contract_is_written_elsewhere(path: Path) -> None:
    """A header, a variable, a job type or an address of the contract stands in contract.py alone."""
    if path.name != "contract.py":
        assert strings(path) & NAMES == set()


def test_every_input_is_of_the_contract() -> None:
    """The operations have no input that the contract does not name."""
    assert set(INPUT_NAMES) == {given.name for given in VALUES}


def test_every_reason_has_advice_in_the_words_of_every_panel() -> None:
    """Each failure of a call says what to do, for all three kinds of templates."""
    for panel in (contract.PANEL, contract.AZURE_PANEL, contract.CAMUNDA_HTTP_PANEL):
        for sentence in wording.ADVICE.values():
            assert "{" not in sentence(**panel)


def test_sentences_are_found_by_their_ids() -> None:
    """Every sentence knows its id, and a message is recognised as what it was made of."""
    assert all(sentence.id == name for name, sentence in wording.SENTENCES.items())
    message = wording.JOB_UNREADABLE(problem=wording.DATA_NO_JSON(what="variables"))
    assert sentences_in(message) == {"JOB_UNREADABLE", "DATA_NO_JSON"}


@pytest.mark.parametrize("name", wording.SENTENCES)
def test_every_sentence_is_said_somewhere(name: str) -> None:
    """A sentence that no code says any more goes."""
    own = (WORKER / "wording.py").read_text("utf-8")
    uses = [
        path
        for path in RUN_PATH
        if path.name != "wording.py" and f"wording.{name}" in path.read_text("utf-8")
    ]
    assert uses or f": {name}," in own  # in ADVICE
