"""The engine: walks frames, journals every step, survives the death of any process.

    start_execution ── "there is work" ──> run_slice (Celery) ──> Slice
                                                                   │ claim.py    takes or leases ready frames, with their records
                                                                   │ walk.py     walks each frame's block, step by step
                                                                   │ journal.py  commits what the walkers hand over, in groups
                                                                   │ iterate.py  makes the frames of an iterate, joins them
                                                                   │ settle.py   wakes parents, ends the execution
    beat ── every second ──> sweep.py: lost slices, due timers, executions with work but no slice

Invariants, and the tests that hold them (tests/executions/, tests/crash/):

I1  PostgreSQL is the only truth. Celery messages carry an id and may be lost or doubled.
I2  A frame is walked from the top of its block each time; a step with a settled journal row gives its recorded output
    and is not run again. Crash recovery, resume, retry and replay are this one thing.
I3  A walker writes only while its slice row exists: every commit locks it first. Who deletes the row (sweep) takes all
    frames of the slice in the same transaction, so a walker that was given up for dead changes nothing.
I4  Before a step with an outside effect begins, everything its frame did so far and a `running` row are durable. An
    intent without receipt is run again only when the effect may be repeated; else the step is `interrupted`.
I5  Journal rows, record data, frame status and counts of a walk change in one transaction.
I6  A record is held by at most one frame (`workflow_records.frame_id`), and of frames that hold none (I12) one ends.
I7  An execution completes only when no frame is open, and its counts add up (CHECK and trigger in the database).
I8  A waiting frame holds no worker, thread or connection.
I9  Frames whose worker died are walked in a small group, and alone when a worker dies over that too; one that is there
    at three deaths is failed. Who begins a suspect walks nothing else.
I10 What people want of a run (control, breakpoints, changed inputs and outputs) comes with every commit and takes effect
    at the next step boundary: a slice that began before a change gives its frames back there (test_control.py).
I11 A replay writes nothing of the run it replays; a dry one writes only records and variables of its own
    (test_replay.py, test_shadow.py).
I12 Frames of inline bodies are leased, not taken: neither they nor their records are written when a walk begins. What the
    walk did counts only if both are still as they were read (frame ready, record's revision); else nothing of it is kept
    and the frame is walked again. That can be, because nothing in it touches the outside (test_leases.py).

Lock order: slice, frames by id, records, counts. Nothing here holds a lock while a step runs.
"""
