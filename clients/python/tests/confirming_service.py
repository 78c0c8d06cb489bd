"""A service in a process of its own that confirms. It judges the token of each line that it
reads, and answers with a line: accepted, refused or unavailable.

    python3 -m tests.confirming_service URL
"""

import sys

from bearerd.verify import Refused, Unavailable, Verifier

from .bearerd_server import CLIENT, SECRET


def main(url):
    verifier = Verifier(url, url, CLIENT, SECRET, confirm="a process of its own")
    for line in sys.stdin:
        try:
            verifier.verify(line.strip())
            print("accepted", flush=True)
        except Refused:
            print("refused", flush=True)
        except Unavailable:
            print("unavailable", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
