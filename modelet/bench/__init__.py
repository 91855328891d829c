"""`modelet bench`: ratios against peers, taken side by side in one run, never lone times."""
