"""Standard messages: transfers and statements in, drafts of recalls out, and their answers back in.

What is read is listed in `kinds`, and in docs/messages.md. Files are streamed: memory does not grow with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.messages.answers import read_answers
    from muledetect.messages.importing import ImportedMessages, import_messages
    from muledetect.messages.recall import Recalls, draft_recalls

__all__ = ["ImportedMessages", "Recalls", "draft_recalls", "import_messages", "read_answers"]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "answers": "read_answers",
        "importing": "ImportedMessages import_messages",
        "recall": "Recalls draft_recalls",
    },
    rooms="answers importing iso20022 kinds mt940 recall",
)
