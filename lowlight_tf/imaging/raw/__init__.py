"""Camera RAW images: reading, color filter arrays, simulated captures."""
