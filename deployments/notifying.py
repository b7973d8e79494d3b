"""Telling people: automations that a server is given switched off, and what they send.

They use one block named `autopack-notify`. A webhook of that name is made with an address that
nobody has; a block of Prefect's notification kinds may take its place (Slack, Teams, mail, …).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import ActionTypesOrUnknown, CallWebhook, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.types import SecretDict
from pydantic import SecretStr

from autopack.model.errors import WorkFailed

BLOCK = "autopack-notify"
NOWHERE = "https://notify.invalid/put-your-address-into-the-block-autopack-notify"
_ADDRESS = re.compile(r"(\w+://[^/\s]*)\S*")
_WEBHOOK = "webhook"


class NotSent(WorkFailed):
    """A message did not reach whom it was for."""


@dataclass(frozen=True)
class Occasion:
    """Something that people may want to hear of. ``text`` is Jinja over Prefect's event."""

    name: str
    event: str
    meaning: str
    text: str
    sample: dict[str, Any]

    @property
    def automation(self) -> str:
        """The name of its automation."""
        return f"{BLOCK}-{self.name}"


_RUN = {"run_id": "run-20261126-120000-abcd", "state": "DONE_SUCCESS", "tokens": 12345}
_REASON = "{% if event.payload.reason %}: {{ event.payload.reason }}{% endif %}"

OCCASIONS = (
    Occasion(
        "waiting",
        "autopack.run.waiting",
        "A run waits for a person.",
        "Autopack: run {{ event.payload.run_id }} waits for you" + _REASON,
        _RUN | {"state": "AWAITING_APPROVAL", "reason": "Shall phase deploy be built?"},
    ),
    Occasion(
        "finished",
        "autopack.run.finished",
        "A run has ended.",
        "Autopack: run {{ event.payload.run_id }} ended {{ event.payload.state }}" + _REASON,
        _RUN | {"reason": None},
    ),
    Occasion(
        "budget",
        "autopack.budget.exhausted",
        "A run has used up a cap.",
        "Autopack: run {{ event.payload.run_id }} has used up its budget" + _REASON,
        _RUN | {"state": "PHASE_EXECUTION", "reason": "run: 9,000 of 9,000 tokens are used up"},
    ),
    Occasion(
        "circuit",
        "autopack.circuit.opened",
        "A provider is not called for a while, for it keeps failing.",
        "Autopack: no calls of {{ event.payload.circuit }} for now "
        "(run {{ event.payload.run_id }})",
        {"run_id": _RUN["run_id"], "phase_id": "one", "circuit": "anthropic/claude-sonnet-4-5"},
    ),
    Occasion(
        "experiment",
        "autopack.experiment.decided",
        "An experiment has its verdict.",
        "Autopack: experiment {{ event.payload.test_id }}: {{ event.payload.decision }}. "
        "{{ event.payload.sentence }}",
        {"test_id": "hints", "decision": "SAVES", "sentence": "It saves tokens.", "pairs": 24},
    ),
)


def payload_template(occasion: Occasion) -> str:
    """Return what a webhook is sent, as Jinja: one JSON object.

    The words are made JSON by the template, whatever a reason or a sentence holds.
    """
    text = f"{{% set text %}}{occasion.text}{{% endset %}}"
    return text + (
        '{"text": {{ text | string | tojson }}, "event": {{ event.event | tojson }}, '
        '"occurred": {{ event.occurred | string | tojson }}, '
        '"payload": {{ event.payload | tojson }}}'
    )


def sample_payload(occasion: Occasion) -> dict[str, Any]:
    """Return what a webhook would be sent, of a run that does not exist."""
    from jinja2.sandbox import SandboxedEnvironment

    event = {"payload": occasion.sample}
    text = SandboxedEnvironment().from_string(occasion.text).render(event=event)
    return {
        "text": f"{text} (this is a test)",
        "event": occasion.event,
        "occurred": datetime.now(UTC).isoformat(),
        "payload": occasion.sample,
    }


def automation(occasion: Occasion, block: BlockDocument) -> AutomationCore:
    """Return the automation of an occasion, switched off."""
    return AutomationCore(
        name=occasion.automation,
        description=f"{occasion.meaning} Sends to the block {BLOCK}; off until you want it.",
        enabled=False,
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "autopack.*"}),
            expect={occasion.event},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[_action(occasion, block)],
    )


def _action(occasion: Occasion, block: BlockDocument) -> ActionTypesOrUnknown:
    kind = block.block_type
    if kind is not None and kind.slug == _WEBHOOK:
        return CallWebhook(block_document_id=block.id, payload=payload_template(occasion))
    return SendNotification(
        block_document_id=block.id, subject=f"Autopack: {occasion.name}", body=occasion.text
    )


async def create_notifications(client: PrefectClient) -> None:
    """Create the block and the automations that are missing; what an operator changed stays.

    An automation whose block is gone sends to the one that is there now.
    """
    block = await find_block(client)
    if block is None:
        hook = Webhook(
            url=SecretStr(NOWHERE),
            headers=SecretDict({"Content-Type": "application/json"}),  # pyright: ignore[reportArgumentType]
        )
        await hook.asave(BLOCK)
        block = await find_block(client)
    if block is None:
        return
    for occasion in OCCASIONS:
        wanted = automation(occasion, block)
        found = await client.read_automations_by_name(occasion.automation)
        if not found:
            await client.create_automation(wanted)
        for one in found:
            used = [getattr(action, "block_document_id", None) for action in one.actions]
            if not any([await _is_there(client, each) for each in used if each is not None]):
                fields = AutomationCore.model_validate(
                    one.model_dump(include=set(AutomationCore.model_fields))
                )
                changed = fields.model_copy(update={"actions": wanted.actions})
                await client.update_automation(one.id, changed)


async def find_block(client: PrefectClient) -> BlockDocument | None:
    """Return the block `autopack-notify`: a webhook, or one of a kind that notifies."""
    kinds = await client.read_block_types()
    for kind in sorted(kinds, key=lambda one: one.slug == _WEBHOOK):  # the operator's own first
        found = [
            one
            for one in await client.read_block_documents_by_type(block_type_slug=kind.slug)
            if one.name == BLOCK
        ]
        if found:
            return found[0]
    return None


async def _is_there(client: PrefectClient, block: UUID) -> bool:
    try:
        await client.read_block_document(block)
    except Exception as error:
        if type(error).__name__ != "ObjectNotFound":
            raise
        return False
    return True


async def send(block: BlockDocument, occasion: Occasion) -> str:
    """Send a sample by the block; return what the receiver answered.

    Raises NotSent where a block of a kind that notifies could not.
    """
    from prefect.blocks.abstract import NotificationError
    from prefect.blocks.core import Block

    loaded: Any = Block._from_block_document(block)  # pyright: ignore[reportPrivateUsage]
    sample = sample_payload(occasion)
    if isinstance(loaded, Webhook):
        return await call(loaded, sample)
    try:
        # Else a receiver that refuses is a line in the log, and nothing more.
        with loaded.raise_on_failure():
            await loaded.notify(sample["text"], subject=f"Autopack: {occasion.name}")
    except NotificationError as error:
        lines = [_ADDRESS.sub(r"\1…", line.strip()) for line in error.log.splitlines()]
        said = next((line for line in lines if line), "the block does not say why")
        raise NotSent(
            f"nothing was sent: {said}",
            field="block",
            hint=f"look at the block {BLOCK} in the Prefect UI: its address, and its access",
        ) from error
    return "sent"


async def call(hook: Webhook, sample: dict[str, Any]) -> str:
    """Call a webhook with a sample; return the status of the answer."""
    answer = await hook.call(json.dumps(sample))
    return f"HTTP {answer.status_code}"
