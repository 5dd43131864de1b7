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

    @property
    def needs_intent(self) -> bool:
        """Whether a durable `running` journal row must exist before the step begins."""
        return self in (Effect.IDEMPOTENT, Effect.KEYED, Effect.ONCE)

    @property
    def may_repeat(self) -> bool:
        """Whether an intent without receipt may simply be run again."""
        return self is not Effect.ONCE
