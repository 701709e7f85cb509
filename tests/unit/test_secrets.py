"""Where secrets come from, and how placeholders become values."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_connector.tasks.secrets import (
    ChainedSecrets,
    EnvironmentSecrets,
    FolderSecrets,
    RecordedSecrets,
    SecretError,
    is_placeholder,
    names_in,
    resolve,
)

VALUES = {
    "SECRET_KEY": "value",
    "SECRET_a.b/c-d_e": "odd",
    "SECRET_EMPTY": " ",
    "SECRET_NEST": "{{secrets.KEY}}",
    "PATH": "x",
}
SECRETS = EnvironmentSecrets("SECRET_", VALUES)


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("{{secrets.KEY}}", "value"),
        ("{{ secrets.KEY }}", "value"),
        ("{{secrets.a.b/c-d_e}}", "odd"),
        ("a-{{secrets.KEY}}-{{secrets.KEY}}", "a-value-value"),
        ("secrets.KEY", "value"),
        (" secrets.KEY ", "value"),
        ("secrets.a.b/c-d_e", "odd"),
        ("{{secrets.NEST}}", "{{secrets.KEY}}"),
        ("sk-secrets.KEY", "sk-secrets.KEY"),
        ("secrets.KEY and more", "secrets.KEY and more"),
        ("{{KEY}}", "{{KEY}}"),
        ("{secrets.KEY}", "{secrets.KEY}"),
        ("", ""),
    ],
)
def test_placeholders(text: str, resolved: str) -> None:
    """Both forms resolve once; the bare one only as the whole value, and a value is never resolved again."""
    assert resolve(text, SECRETS, label="OpenAI API key") == resolved


@pytest.mark.parametrize(
    "text", ["{{secrets.NONE}}", "secrets.NONE", "{{secrets.PATH}}", "{{secrets.key}}", "{{secrets.\ud800}}"]
)
def test_a_missing_secret_is_named(text: str) -> None:
    """The message names field and secret and says what to do.

    The environment without prefix is out of reach.
    """
    with pytest.raises(SecretError) as caught:
        resolve(text, SECRETS, label="OpenAI API key")
    [name] = names_in(text)
    assert str(caught.value).startswith(f"OpenAI API key: secret '{name}' is not available. ")
    assert "operator" in str(caught.value)


def test_an_empty_secret_is_missing_too() -> None:
    """A blank value is said to be empty, before anything is sent with it."""
    with pytest.raises(SecretError, match="secret 'EMPTY' is empty"):
        resolve("{{secrets.EMPTY}}", SECRETS, label="Project")


def test_no_value_stands_in_a_message() -> None:
    """A secret that resolved does not appear in the message about another one."""
    with pytest.raises(SecretError) as caught:
        resolve("{{secrets.KEY}}{{secrets.NONE}}", SECRETS, label="Project")
    assert "value" not in str(caught.value).replace("give it a value", "")


def test_a_placeholder_of_any_length_is_read_at_once() -> None:
    """Text made to confuse the pattern costs no time: it has no placeholder that ends."""
    for text in ("{{secrets." * 50_000, "{{secrets." + "a" * 500_000, "secrets." + "a." * 250_000 + "!"):
        assert resolve(text, SECRETS, label="Base URL") == text
        assert not is_placeholder(text)


def test_an_empty_prefix_reads_the_whole_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a prefix every variable is a secret; the real environment is asked anew each time."""
    monkeypatch.setenv("SOME_VARIABLE", "1")
    assert EnvironmentSecrets("").get("SOME_VARIABLE") == "1"
    monkeypatch.setenv("SOME_VARIABLE", "2")
    assert EnvironmentSecrets("").get("SOME_VARIABLE") == "2"


@pytest.mark.parametrize("name", ["", "A=B", "A\x00B", "\ud800", "x" * 100_000])
def test_an_impossible_name_is_not_there(name: str, tmp_path: Path) -> None:
    """Names that no variable and no file can have are unknown, not a crash."""
    assert EnvironmentSecrets("SECRET_").get(name) is None
    assert FolderSecrets(tmp_path).get(name) is None


def test_a_folder_of_files(tmp_path: Path) -> None:
    """A file's content without the line break at its end, read anew at each use."""
    file = tmp_path / "KEY"
    file.write_text("va lue\r\n", "utf-8")
    secrets = FolderSecrets(tmp_path)
    assert secrets.get("KEY") == "va lue"
    file.write_text("renewed", "utf-8")
    assert secrets.get("KEY") == "renewed"


def test_kubernetes_links_are_followed(tmp_path: Path) -> None:
    """Kubernetes mounts secrets as links into a hidden folder."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "KEY").write_text("value", "utf-8")
    (tmp_path / "KEY").symlink_to(Path("..data") / "KEY")
    assert FolderSecrets(tmp_path).get("KEY") == "value"
    assert FolderSecrets(tmp_path).get("..data") is None


@pytest.mark.parametrize(
    "name", ["../outside", "..", ".", ".hidden", "sub/KEY", "/etc/passwd", "sub", "sub/../KEY2", "bytes"]
)
def test_there_is_no_way_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Paths, hidden files, folders and files that are no text are unknown."""
    folder = tmp_path / "secrets"
    (folder / "sub").mkdir(parents=True)
    for file in (tmp_path / "outside", folder / ".hidden", folder / "sub" / "KEY", folder / "KEY2"):
        file.write_text("value", "utf-8")
    (folder / "bytes").write_bytes(b"\xff\xfe\x00")
    assert FolderSecrets(folder).get(name) is None


def test_a_chain_asks_in_its_order(tmp_path: Path) -> None:
    """The first that has a value for a name gives it."""
    (tmp_path / "KEY").write_text("file", "utf-8")
    (tmp_path / "OTHER").write_text("file", "utf-8")
    chain = ChainedSecrets(EnvironmentSecrets("", {"KEY": "variable"}), FolderSecrets(tmp_path))
    assert chain.get("KEY") == "variable"
    assert chain.get("OTHER") == "file"
    assert chain.get("NONE") is None


def test_values_given_out_are_recorded() -> None:
    """What was given out is known for masking; what was not there is not."""
    recorded = RecordedSecrets(SECRETS)
    resolve("{{secrets.KEY}}", recorded, label="Project")
    assert recorded.get("NONE") is None
    assert recorded.given == ["value"]


def test_an_empty_value_does_not_hide_another_providers() -> None:
    """A variable that a compose file sets to nothing leaves the secret file of the same name in use."""
    empty, full = EnvironmentSecrets("", {"A": " ", "B": ""}), EnvironmentSecrets("", {"A": "value"})
    chain = ChainedSecrets(empty, full)
    assert (chain.get("A"), chain.get("B"), chain.get("C")) == ("value", "", None)
