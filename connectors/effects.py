"""What a step or action does to the world outside Director, and so what may be done with it after a crash."""

from enum import StrEnum


class Effect(StrEnum):
    """The side-effect class that every step type and connector action declares.

    PURE        computes only; may be run any number of times, its outcome rides with the next journal commit.
    READ        reads the outside world without changing it; run again freely, never inside a database transaction.
    IDEMPOTENT  changes the outside world, doing it twice has the effect of doing it once (an upsert, a file replaced).
    KEYED       changes the outside world, but the service drops repeats that carry the same idempotency key.
    ONCE        changes the outside world and must not be repeated without a person's word (sends a mail, charges a card).
    """

    PURE = "pure"
    READ = "read"
    IDEMPOTENT = "idempotent"
    KEYED = "keyed"
    ONCE = "once"

    # Attributes, not properties: the engine asks at every record-step.
    is_pure: bool
    needs_intent: bool  # whether a durable `running` journal row must exist before the step begins
    may_repeat: bool  # whether an intent without receipt may simply be run again

    def __init__(self, value: str) -> None:
        self.is_pure = value == "pure"
        self.needs_intent = value in ("idempotent", "keyed", "once")
        self.may_repeat = value != "once"
