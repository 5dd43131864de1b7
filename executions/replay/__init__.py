"""Going over a run again: what is copied of it, what differs, and a version judged by what it would have done."""
