"""The pages of records and variables that need nothing of the apps above."""
