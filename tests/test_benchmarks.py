"""The benchmarks as commands: what they say when there is nothing to measure."""

from collections.abc import Callable, Sequence

import pytest

from benchmarks import dense, light, zoo


@pytest.mark.parametrize("main", [dense.main, light.main, zoo.main], ids=["dense", "light", "zoo"])
def test_a_name_that_matches_nothing(
    main: Callable[[Sequence[str] | None], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """No green run over no network."""
    with pytest.raises(SystemExit) as caught:
        main(["--match", "no such network"])
    assert caught.value.code == 2
    assert "no network matches no such network" in capsys.readouterr().err
