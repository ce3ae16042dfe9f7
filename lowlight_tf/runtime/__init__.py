"""Run anything on a picture."""
