"""Registration of visible and infrared images."""
