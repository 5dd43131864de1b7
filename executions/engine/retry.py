"""Whether and when a failed attempt is followed by another: pure decisions, done elsewhere."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from director.errors import DirectorError
from workflows.definition.plan import RetryPolicy

# The pause before `on_error: retry` walks a record again.
RECORD_RETRY = RetryPolicy(maximum_attempts=1, initial_interval=1.0, backoff_coefficient=2.0, maximum_interval=60.0)


def next_delay(policy: RetryPolicy, attempt: int, *, random: Random) -> timedelta:
    """Return the pause before the attempt after `attempt`.

    attempt: 1-based number of the attempt that just failed.
    Result lies in [0, policy.maximum_interval]; full jitter, so that a burst of failures spreads out.
    Raises ValueError when attempt < 1.
    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    # The exponent is capped: 2 ** 1024 does not fit a float, and the maximum interval is reached long before.
    ceiling = min(policy.maximum_interval, policy.initial_interval * policy.backoff_coefficient ** min(attempt - 1, 64))
    return timedelta(seconds=random.uniform(0, ceiling))


def is_retryable(policy: RetryPolicy | None, attempt: int, error: DirectorError) -> bool:
    """Whether the policy allows another attempt after this one failed with `error`.

    An error that says of itself `retryable = False` is not tried again, nor one whose code the policy excludes.
    """
    if policy is None or attempt >= policy.maximum_attempts:
        return False
    return error.retryable and error.code not in policy.non_retryable


def delay_for(policy: RetryPolicy, attempt: int, error: DirectorError, *, random: Random) -> timedelta:
    """Return `next_delay`, or the service's own Retry-After (`error.retry_after`, seconds) when that is longer."""
    asked = timedelta(seconds=getattr(error, "retry_after", None) or 0)
    return max(next_delay(policy, attempt, random=random), asked)
