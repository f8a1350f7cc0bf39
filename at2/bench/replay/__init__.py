"""Targets whose curves are already known, played as if they were trained: cases, what tuners may see, the loop."""
