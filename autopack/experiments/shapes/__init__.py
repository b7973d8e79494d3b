"""What an analysis declares, decides and publishes: plain values."""
