"""Runs `ending_job` through the hook, once for each `[status, last line, seconds...]` of its argument, a JSON list.

Says how the hook ended, as JSON on the last line. Runs in the airflow environment.
"""

from __future__ import annotations

import json
import sys

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_orchestration.plugins.hooks.platform_job_hook import PlatformJobHook


def ending(arguments: list[str]) -> object:
    try:
        return {"result": PlatformJobHook().run("tests.fakes.ending_job", arguments)}
    except AirflowFailException as exc:
        return {"fails for good": str(exc)}
    except AirflowException as exc:
        return {"may be retried": str(exc)}


if __name__ == "__main__":
    print(json.dumps([ending(arguments) for arguments in json.loads(sys.argv[1])]))
