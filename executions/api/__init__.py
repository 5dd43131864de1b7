"""The REST interface of runs: start, see, control, answer, replay; one by one or many at once."""
