"""The statistics of paired runs: functions of numbers, checked against R."""
