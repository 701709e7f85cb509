"""Take the README's pictures anew: `python -m tests.modeler.pictures`."""

from __future__ import annotations

from tests.modeler.front_end import ARTIFACTS, Modeler, chromium, install, node
from tests.modeler.test_templates import applied

FOLDER = ARTIFACTS.parents[1] / "docs" / "images"


def main() -> None:
    """Fill two tasks as a process analyst would, and take a picture of each."""
    program, npm = node()
    install(npm, program)
    with Modeler(program, chromium()) as modeler:
        applied(modeler, "today", "openai-connector.json")
        modeler.fill("OpenAI API key", "{{secrets.OPENAI_API_KEY}}")
        modeler.fill("System message", "You are a friendly clerk. Answer in one sentence.")
        modeler.feel("Prompt", '"Answer this customer: " + message.text')
        modeler.feel("Result expression", "{answer: response.output.text}")
        modeler.open_groups("Authentication", "Operation", "Model", "Prompt", "Output mapping")
        modeler.screenshot(FOLDER / "modeler-chat.png", 1720)

        applied(modeler, "today", "openai-connector.json")
        modeler.choice("Operation", "Moderation")
        modeler.feel("Evaluation input", "message.text")
        modeler.feel("Result expression", "{flagged: response.output.flagged}")
        modeler.open_groups("Operation", "Moderation", "Output mapping", "Error handling")
        modeler.screenshot(FOLDER / "modeler-moderation.png", 1150)


if __name__ == "__main__":
    main()
