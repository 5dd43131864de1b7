"""What is asked of people: the prompt's form, who may answer it, what becomes of it in time, and how they hear of it."""
