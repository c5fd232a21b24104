"""The fraud rules: their thresholds, read from YAML, and the words of their alerts.

One meaning for Flink's SQL and for whoever checks it:
- Events are those of the contract, each event_id once, ordered by event_time and then by event_id.
- A rule looks at the events of one subject. Its matches do not overlap: the earliest possible first event wins, and
  the next match begins after the last event of the one before.
- `within_seconds` is strict: last event_time - first event_time < within_seconds.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT

RULES_FILE: Final = REPO_ROOT / "stream_processing" / "flink_python" / "cep_jobs" / "fraud_rules.yml"
MAX_EVENT_IDS: Final = 200
"""An alert names the last so many of its events."""

_Count = Annotated[int, Field(ge=2, le=20)]
_Place = Annotated[tuple[int, int], Field(strict=False)]  # YAML has lists only
_Cents = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Pattern(StrEnum):
    """What an alert says."""

    CARD_TESTING = "card_testing"
    VELOCITY = "velocity"
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    COUPON_ABUSE = "coupon_abuse"
    ACCOUNT_TAKEOVER = "account_takeover"


class SubjectKind(StrEnum):
    """Whose events a rule looks at."""

    CARD = "card"
    DEVICE = "device"
    CUSTOMER = "customer"

    @property
    def column(self) -> str:
        """The field of an event that names the subject."""
        return {"card": "card_token", "device": "device_id", "customer": "customer_id"}[self]


class Rule(BaseModel, ABC):
    """What every rule has. `sentence` is its alert in words; its fields are filled from the match."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    pattern: ClassVar[Pattern]
    sentence: ClassVar[str]

    version: Annotated[int, Field(ge=1, le=1_000_000)]
    within_seconds: Annotated[int, Field(ge=1, le=60 * 86_400)]

    @property
    @abstractmethod
    def subject_kind(self) -> SubjectKind:
        """Whose events the rule looks at."""


class CardTesting(Rule):
    """At least `declines` declined payments in a row, then an approved one. Amount: the approved one."""

    pattern: ClassVar = Pattern.CARD_TESTING
    sentence: ClassVar = (
        "{kind} {subject} was declined {declines} times and then approved for {money} USD, all within {seconds} s."
    )

    subject: Literal["card", "device"]
    declines: _Count

    @property
    def subject_kind(self) -> SubjectKind:
        """The card, or the device that tries cards."""
        return SubjectKind(self.subject)


class Velocity(Rule):
    """Payments with `cards` different cards on one device. Amount: the sum of the approved ones."""

    pattern: ClassVar = Pattern.VELOCITY
    sentence: ClassVar = "{kind} {subject} paid with {cards} different cards within {seconds} s."

    cards: _Count

    @property
    def subject_kind(self) -> SubjectKind:
        """The device."""
        return SubjectKind.DEVICE


class ImpossibleTravel(Rule):
    """Two payments of one card, one directly after the other, in far regions. Amount: the approved ones of the two."""

    pattern: ClassVar = Pattern.IMPOSSIBLE_TRAVEL
    sentence: ClassVar = (
        "{kind} {subject} paid in {from_region} and {seconds} s later in {to_region}, {min_km} km away or more."
    )

    min_km: Annotated[int, Field(ge=1, le=20_000)]
    regions_km: Annotated[Mapping[str, _Place], Field(min_length=2)]

    @property
    def subject_kind(self) -> SubjectKind:
        """The card."""
        return SubjectKind.CARD

    def far_pairs(self) -> list[tuple[str, str]]:
        """Every two regions, in the order of their names, whose centres are `min_km` or more apart."""
        places = sorted(self.regions_km.items())
        return [(a, b) for (a, at), (b, bt) in combinations(places, 2) if math.dist(at, bt) >= self.min_km]

    @model_validator(mode="after")
    def _can_fire(self) -> ImpossibleTravel:
        if not self.far_pairs():
            raise ValueError(f"no two regions are {self.min_km} km apart, so the rule could never fire")
        return self


class CouponAbuse(Rule):
    """`baskets` coupon-heavy baskets of one customer, others in between or not. Amount: their coupons."""

    pattern: ClassVar = Pattern.COUPON_ABUSE
    sentence: ClassVar = "{kind} {subject} redeemed {money} USD of coupons in {baskets} baskets within {hours} h."

    baskets: _Count
    min_coupon_cents: _Cents
    min_coupon_percent: Annotated[int, Field(ge=0, le=100)]

    @property
    def subject_kind(self) -> SubjectKind:
        """The customer."""
        return SubjectKind.CUSTOMER


class AccountTakeover(Rule):
    """An approved payment of `min_amount_cents` or more on a device and for an address that none of the customer's
    `known_payments` approved payments directly before had. Payments without an address token do not count at all.
    Amount: the last one.
    """

    pattern: ClassVar = Pattern.ACCOUNT_TAKEOVER
    sentence: ClassVar = (
        "{kind} {subject} paid {money} USD on a device and for an address that the {known_payments} payments before "
        "did not have."
    )

    known_payments: Annotated[int, Field(ge=1, le=20)]
    min_amount_cents: _Cents

    @property
    def subject_kind(self) -> SubjectKind:
        """The customer."""
        return SubjectKind.CUSTOMER


class FraudRules(BaseModel):
    """One rule a pattern."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_testing: CardTesting
    velocity: Velocity
    impossible_travel: ImpossibleTravel
    coupon_abuse: CouponAbuse
    account_takeover: AccountTakeover

    def all(self) -> Sequence[Rule]:
        """The rules in the order of `Pattern`."""
        return [getattr(self, pattern) for pattern in Pattern]


def load_rules(path: Path = RULES_FILE) -> FraudRules:
    """The rules of a file.

    Raises:
        ConfigurationError: the file is not there, is no YAML, or a rule is missing, unknown or out of its range.
    """
    try:
        return FraudRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise ConfigurationError(f"There are no fraud rules at {path}.", "Give the path of a rules file.") from exc
    except yaml.YAMLError as exc:
        raise ConfigurationError(f"The fraud rules at {path} are no YAML ({exc}).", "Correct the file.") from exc
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in exc.errors())
        raise ConfigurationError(
            f"The fraud rules at {path} are not valid ({faults}).",
            "Correct these fields; stream_processing/core/fraud_rules.py says what each may hold.",
        ) from exc


def alert_id(rule: Rule, subject: str, last_event_id: str) -> str:
    """The id of an alert: equal wherever and however often the same event completes the same rule for a subject."""
    return hashlib.sha256(identity(rule, subject, last_event_id).encode()).hexdigest()


def identity(rule: Rule, subject: str, last_event_id: str) -> str:
    """The text whose hash is an alert's id."""
    return "|".join((rule.pattern, str(rule.version), rule.subject_kind, subject, last_event_id))
