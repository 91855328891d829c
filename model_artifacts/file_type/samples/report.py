"""Sum the hours of a time sheet."""

import csv
import sys
from collections import Counter


def main(path: str) -> None:
    hours: Counter[str] = Counter()
    with open(path, newline="") as lines:
        for row in csv.DictReader(lines):
            hours[row["project"]] += float(row["hours"])
    for project, total in hours.most_common():
        print(f"{project:20} {total:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
