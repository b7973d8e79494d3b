"""What each attempt tells of the features at work in it, and the estimates made from that."""
