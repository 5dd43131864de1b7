"""The REST interface of what a workflow knows: its records, its variables, both together.

What the engine must do (`records/retry-failed`) is offered by the app above.
"""
