"""Recipe -> run folder."""
