"""The example queries of data_lake/SQL.md, as a reader copies them."""

from __future__ import annotations

import re

from shared_utils.settings import REPO_ROOT

_GUIDE = REPO_ROOT / "data_lake" / "SQL.md"
GUIDE_QUERIES = re.findall(r"```sql\n(.+?);\n```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL)
