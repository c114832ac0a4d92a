"""Decisions on file, one JSON line each: what shadow mode is read from, and what a bank shows its auditors."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from muledetect.live.desk import Answer
from muledetect.live.finding import described, iso_text


class Record:
    """A file that decisions are added to; only its owner may read it. It names transfers, no accounts.

    Parameters
    ----------
    path : path
        Created if it is not there; lines are added otherwise.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, answer: Answer, mode: str) -> None:
        """Add a decision; `mode` is "active" or "shadow"."""
        found = answer.assessment
        line = {"transfer_id": found.transfer_id, "as_of": iso_text(found.as_of), "mode": mode,
                "model": found.model, "version": found.version} | described(answer.decision)  # fmt: skip
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
