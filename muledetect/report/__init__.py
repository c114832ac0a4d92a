"""What people look at: case files, ring files, the model report, and an index of them."""

from __future__ import annotations
