"""What a container starts: Lambda's runtime client, with the handler that the command names.

Where there is no Runtime API to ask for events the same application answers HTTP on port 8080: for
SageMaker, which runs the image with the command `serve`, and for a person with `docker run`.
"""

import os
import sys

if __name__ == "__main__":
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        from awslambdaric.__main__ import main

        main(sys.argv)
    else:
        from modelet_runtime.http.server import main as serve

        serve(sys.argv[1:] if sys.argv[1:2] == ["serve"] else [])
