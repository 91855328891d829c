"""Takes its time to be imported, as long as the variable says."""

import os
import time

time.sleep(float(os.environ["SLOW_INIT_S"]))


def handler(event, context):
    return {"statusCode": 200, "body": "ready"}
