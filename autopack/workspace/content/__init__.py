"""What a folder that an agent worked in holds, on its way into a commit."""
