"""Take the pictures of README and docs again: `python -m tests.modeler.pictures [status]`.

With `status` those of the status page alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from openai_connector.status.server import Server
from openai_connector.tools.demo.engine import free_ports
from tests.engine.worker import neutral_environment
from tests.engine.zeebe_client import ZeebeClient
from tests.modeler.front_end import ARTIFACTS, HERE, Modeler, chromium, install, node
from tests.modeler.test_templates import applied
from tests.stand_in import Answer, Request, StandIn, failure
from tests.unit.status.states import busy, trouble

FOLDER = ARTIFACTS.parents[1] / "docs" / "images"


def main() -> None:
    """Fill tasks as a process analyst would, and take a picture of each; then of the pages."""
    program, npm = node()
    install(npm, program)
    asyncio.run(status_pages(program))
    if "status" in sys.argv:
        return
    with Modeler(program, chromium()) as modeler:
        applied(modeler, "today", "openai-connector.json")
        modeler.fill("OpenAI API key", "{{secrets.OPENAI_API_KEY}}")
        modeler.fill("System message", "You are a friendly clerk. Answer in one sentence.")
        modeler.feel("Prompt", '"Answer this customer: " + message.text')
        modeler.feel("Result expression", "{answer: response.output.text}")
        modeler.open_groups("Authentication", "Operation", "Model", "Prompt", "Output mapping")
        modeler.screenshot(FOLDER / "modeler-chat.png", 1940)

        applied(modeler, "today", "openai-chat.json")
        modeler.fill("OpenAI API key", "{{secrets.OPENAI_API_KEY}}")
        modeler.feel("Prompt", "ticket")
        modeler.choice("Response format", "JSON object")
        modeler.choice("If the answer is not as asked", "BPMN error")
        modeler.choice("Ask again once", "Yes, with one more call")
        modeler.open_groups("Response format", "Output mapping")
        modeler.screenshot(FOLDER / "modeler-unexpected-answer.png", 930)

        applied(modeler, "today", "openai-chat.json")
        modeler.fill("OpenAI API key", "{{secrets.OPENAI_API_KEY}}")
        modeler.feel("Prompt", "ticket")
        modeler.choice("Answer needed", "Within 8 hours, 40 % cheaper")
        modeler.open_groups("Model", "Parameters")
        modeler.unroll("Answer needed")
        modeler.screenshot(FOLDER / "modeler-answer-needed.png", 1080)

        applied(modeler, "today", "openai-connector.json")
        modeler.choice("Operation", "Moderation")
        modeler.feel("Evaluation input", "message.text")
        modeler.feel("Result expression", "{flagged: response.output.flagged}")
        modeler.open_groups("Operation", "Moderation", "Output mapping", "Error handling")
        modeler.screenshot(FOLDER / "modeler-moderation.png", 1260)
    asyncio.run(sandbox_page(program))


async def status_pages(program: Path) -> None:
    """Take pictures of the status page: of a worker that is busy, and of one in trouble."""
    for name, world in (("status-page", busy()), ("status-page-trouble", trouble())):
        server = Server(world.endpoint.answer)
        await server.open("127.0.0.1", 0)
        await asyncio.to_thread(_picture, program, server.url, FOLDER / f"{name}.png", "h2", (1100, 1100))
        await server.aclose()


async def sandbox_page(program: Path) -> None:
    """Take a picture of the sandbox's page: an example whose API has refused the key of the second task."""
    port, web_port = free_ports(2)

    def reply(request: Request) -> Answer | None:
        wrong = failure(401, "Incorrect API key provided")
        return wrong if "/chat/" in request.path and "parcel" in json.dumps(request.json) else None

    async with StandIn() as api:
        api.always(reply)
        examples = HERE.parents[1] / "examples"
        running = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "openai_connector",
                "sandbox",
                "--port",
                str(port),
                "--web-port",
                str(web_port),
            ),
            *(str(path) for path in sorted(examples.glob("*.bpmn"))),
            env=neutral_environment()
            | {"OPENAI_BASE_URL": api.base_url, "SECRET_OPENAI_API_KEY": "sk-picture"},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with ZeebeClient(f"127.0.0.1:{port}") as zeebe:
                await zeebe.create_instance("chat-loop")
                await zeebe.run("moderate-then-answer", {"message": "I will kill you"})
                await zeebe.create_instance("moderate-then-answer", {"message": "Where is my parcel?"})
                await api.until(lambda: any("/chat/" in request.path for request in api.requests))
                stopped = "#why:has-text('It stands at an incident')"
                target = FOLDER / "sandbox-page.png"
                await asyncio.to_thread(_picture, program, f"http://127.0.0.1:{web_port}", target, stopped)
        finally:
            running.terminate()
            await running.wait()


def _picture(
    program: Path, page: str, target: Path, awaited: str, size: tuple[int, int] = (1280, 800)
) -> None:
    """Take a picture of a page as soon as something is seen on it."""
    script = """
        import { chromium } from 'playwright-core';
        const [ executablePath, url, path, awaited, width, height ] = process.argv.slice(1);
        const browser = await chromium.launch({ executablePath, args: [ '--no-sandbox' ] });
        const page = await browser.newPage({ viewport: { width: +width, height: +height } });
        await page.goto(url);
        await page.locator(awaited).first().waitFor();
        await page.screenshot({ path });
        await browser.close();
    """
    given = [chromium(), page, str(target), awaited, *map(str, size)]
    subprocess.run(
        [str(program), "--input-type=module", "-e", script, *given],
        cwd=HERE,
        check=True,
    )


if __name__ == "__main__":
    main()
