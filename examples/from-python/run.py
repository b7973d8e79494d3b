"""Run a plan that this program makes, and print what became of it."""

import asyncio
import json

from flows import execute_run

PLAN = {
    "goal": "Numbers to count with",
    "setup": [],
    "budget": {"tokens": 10_000, "minutes": 5},
    "phases": [
        {
            "id": "count",
            "instructions": "Write the numbers from 1 to 3 into numbers.txt, one a line.",
            "deliverables": ["numbers.txt"],
            "validate": ["grep -qx 3 numbers.txt"],
        }
    ],
}


def main() -> None:
    """Run the plan in this process, with a recording in place of a coding agent."""
    run = asyncio.run(
        execute_run(plan=json.dumps(PLAN), repo="project", builder_options="recording=recording")
    )
    print(run["state"], run["branch"])
    for phase in run["phases"]:
        print(phase["phase_id"], phase["tokens"], "tokens")


if __name__ == "__main__":
    main()
