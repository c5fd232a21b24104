"""The streams' own command, which also counts how many values were judged: a file `judged` beside `--report`.

Runs in the spark environment. More than was received means that a batch was computed anew for one of its writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.accumulators import Accumulator

from contracts.validators.validate_kafka_event import Validator
from data_lake.transforms import decode
from stream_processing.spark_streaming import run
from stream_processing.spark_streaming.session import start_session


class CountingValidator:
    """A validator whose values are added up over all Python workers."""

    def __init__(self, topic: str, judged: Accumulator[int]) -> None:
        self._validator, self._judged = Validator(topic), judged

    def reasons(self, values: pd.Series) -> Iterable[Any]:
        self._judged.add(len(values))
        return self._validator.reasons(values)


def main(arguments: list[str]) -> int:
    judged = start_session("counting_stream").sparkContext.accumulator(0)
    # The verdict's UDF takes this name along to the workers.
    decode._validator = lambda topic: CountingValidator(topic, judged)  # type: ignore[assignment]
    code = run.main(arguments)
    Path(arguments[arguments.index("--report") + 1]).with_name("judged").write_text(str(judged.value))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
