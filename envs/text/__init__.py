"""Text engine and text tasks. Import the modules you need; nothing here imports JAX by itself."""

from __future__ import annotations
