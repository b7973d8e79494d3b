"""What dead processes left behind, found and put right."""
