"""The registry's aliases. Apart from the code that moves them: whoever only reads a model needs no MLflow client."""

from __future__ import annotations

from typing import Final

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
