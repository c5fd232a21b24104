from __future__ import annotations

import pytest

from model_serving.mint_token import main
from model_serving.tokens import TokenVerifier
from shared_utils.settings import load_settings


def test_a_minted_token_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scope", "models:read", "--ttl", "60"]) == 0
    principal = TokenVerifier(load_settings().auth).verify(capsys.readouterr().out.strip())
    assert principal.scopes == {"models:read"}


@pytest.mark.parametrize("arguments", [["--scope", "admin"], ["--ttl", "0"], ["--ttl", "86401"], ["--ttl", "x"]])
def test_planted_odd_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().out == ""
