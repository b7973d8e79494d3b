""".NET: C#, F# and Visual Basic."""
