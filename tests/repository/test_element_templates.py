"""The committed element templates are what the generator writes today."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_connector.tools.templates import VARIANTS, Variant, render, text, write_all
from openai_connector.tools.templates.versions import content_hash, recorded

COMMITTED = Path(__file__).parents[2] / "element-templates"

each = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.file)


@each
def test_committed_file_is_current(variant: Variant) -> None:
    """What is committed is what the input models give today (else: make templates)."""
    assert (COMMITTED / variant.file).read_text("utf-8") == text(render(variant))


def test_no_other_files_are_committed() -> None:
    """Every committed template is one that the generator knows."""
    assert {path.name for path in COMMITTED.iterdir()} == {variant.file for variant in VARIANTS}


@each
def test_content_changes_with_the_version_only(variant: Variant) -> None:
    """A changed template has a new version (else: python -m openai_connector.tools.templates.release)."""
    template = render(variant)
    assert recorded()[variant.id][template["version"]] == content_hash(template)


def test_all_templates_are_written_with_another_job_type(tmp_path: Path) -> None:
    """A company's own job type stands in every file, and nothing else differs."""
    for path in write_all(tmp_path / "new", "acme-llm:2"):
        assert path.read_text("utf-8") == (COMMITTED / path.name).read_text("utf-8").replace(
            '"openai-connector:1"', '"acme-llm:2"'
        )
        assert '"acme-llm:2"' in path.read_text("utf-8")
