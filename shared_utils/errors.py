"""The platform's exception tree. Each error says what failed, where, and what to do about it.

PlatformError
├── ConfigurationError      a setting is missing, malformed or unsafe for the environment
├── ContractError           an event or a schema breaks its contract
├── DependencyError         a broker, store or registry does not answer in time
├── DataError               a table or a file is not what its catalogue entry says
│   └── RejectRatioError    a job refused more rows than its limit allows
├── CheckpointError         a stream's checkpoint is truncated or does not fit the table
└── ProofFailedError        a proof found a difference
"""

from __future__ import annotations


class PlatformError(Exception):
    """A failure with its remedy.

    The message is one sentence on what went wrong and where; `remedy` is one sentence on what to do.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class ConfigurationError(PlatformError):
    """A setting is missing, malformed or unsafe for the environment."""

    exit_code = 2


class ContractError(PlatformError):
    """An event or a schema breaks its contract."""

    exit_code = 3


class DependencyError(PlatformError):
    """A broker, store or registry does not answer in time."""

    exit_code = 4


class DataError(PlatformError):
    """A table or a file is not what its catalogue entry says."""

    exit_code = 5


class RejectRatioError(DataError):
    """A job refused more rows than its limit allows."""

    exit_code = 6


class CheckpointError(PlatformError):
    """A stream's checkpoint is truncated or does not fit its table."""

    exit_code = 7


class ProofFailedError(PlatformError):
    """A proof found a difference."""

    exit_code = 8
