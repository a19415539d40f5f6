"""Everything that can be known before money is spent: functions that return findings."""
