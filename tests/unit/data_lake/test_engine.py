from __future__ import annotations

import pytest

from data_lake import engine
from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.local_stack.ports import free_port
from shared_utils.settings import EngineSettings, Settings


def test_a_dead_engine_is_named_at_once() -> None:
    remote = f"sc://127.0.0.1:{free_port()}"
    with pytest.raises(DependencyError, match="does not answer at sc://127") as caught:
        engine.session(Settings(env="test", engine=EngineSettings(remote=remote)))
    assert "local_stack" in caught.value.remedy


@pytest.mark.parametrize("remote", ["http://127.0.0.1:1", "sc://", "127.0.0.1:50051"])
def test_an_address_of_another_kind_is_refused(remote: str) -> None:
    with pytest.raises(ConfigurationError, match="is no sc:// address"):
        engine.session(Settings(env="test", engine=EngineSettings(remote=remote)))
