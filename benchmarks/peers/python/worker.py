"""What a Python user would write: pyzeebe's worker with the official `openai` package."""

import asyncio
import os
from typing import Any

from openai import AsyncOpenAI
from pyzeebe import ZeebeWorker, create_insecure_channel

SLOTS = os.environ.get("CONNECTOR_MAX_JOBS")
TUNED: dict[str, Any] = {"max_jobs_to_activate": int(SLOTS), "max_running_jobs": int(SLOTS)} if SLOTS else {}
MAPPING_FAILS = os.environ.get("PEER_MAPPING") == "fails"


async def main() -> None:
    """Work until the process is ended."""
    worker = ZeebeWorker(create_insecure_channel(grpc_address=os.environ["ZEEBE_ADDRESS"]))
    client = AsyncOpenAI(api_key=os.environ["SECRET_OPENAI_API_KEY"], base_url=os.environ["OPENAI_BASE_URL"])

    @worker.task(task_type=os.environ["CONNECTOR_JOB_TYPE"], timeout_ms=300_000, **TUNED)
    async def ask(
        openai_model: str,
        openai_systemMessage: str,  # noqa: N803
        openai_prompt: str,
        openai_temperature: str,
        openai_maxTokens: str,  # noqa: N803
    ) -> dict[str, Any]:
        answer = await client.chat.completions.create(
            model=openai_model,
            messages=[
                {"role": "system", "content": openai_systemMessage},
                {"role": "user", "content": openai_prompt},
            ],
            temperature=float(openai_temperature),
            max_completion_tokens=int(openai_maxTokens),
        )
        if MAPPING_FAILS:
            raise ValueError("the answer is not as the code expects it")
        return {"answer": answer.choices[0].message.content}

    await worker.work()


if __name__ == "__main__":
    asyncio.run(main())
