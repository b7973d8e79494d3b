"""Perl, and whatever else speaks the Test Anything Protocol."""
