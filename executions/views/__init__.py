"""The pages that show runs: of workflows, executions, steps and records.

A page lives in the highest app whose data it shows, because imports point down only; so the pages of a workflow and of
a record, which tell what runs did, are here and not in the apps below.
"""
