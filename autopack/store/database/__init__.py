"""Opening an application database: which one it is, and which schema it has."""
