"""Camera RAW: reading, color filter arrays, simulated captures."""
