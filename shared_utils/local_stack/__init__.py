"""The host platform's processes: started in order on free loopback ports, watched, measured, and surely stopped."""

from __future__ import annotations

from shared_utils.local_stack.stack import LocalStack

__all__ = ["LocalStack"]
