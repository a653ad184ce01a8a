"""The command engine: placeholders, items and outputs."""

from __future__ import annotations

import pytest

from laneway.engine import Context, EngineError, Spec, load
from laneway.engine.common import Common
from laneway.errors import UnknownNameError
from laneway.frames import Frames
from laneway.model import Json


def command(
    parameters: dict[str, Json],
    *,
    items: str = "5-7",
    output: str | None = None,
    envs: dict[str, Json] | None = None,
    given: str = "",
) -> Common:
    spec = Spec(
        engine="command",
        id=3,
        name="job",
        parameters=parameters,
        output=output,
        envs=envs or {},
        input=(given,) if given else (),
        user="ann",
    )
    return load("command")(spec, Frames.parse(items), Context(attempt=9, number=2, lane=4, hostname="ren01", cores=8, dry=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("render -f ${ITEM}", ["render", "-f", "5"], id="item"),
        pytest.param("render '${NAME} ${ITEM:4}'", ["render", "job 0005"], id="quoted-and-padded"),
        pytest.param(["render", "a b", "${ITEM}"], ["render", "a b", "5"], id="list"),
        pytest.param("x ${ITEMS} ${FIRST} ${LAST}", ["x", "5-7", "5", "7"], id="bucket"),
        pytest.param(
            "x ${JOB} ${LANE} ${ATTEMPT} ${TRY} ${USER} ${HOSTNAME} ${CORES}",
            ["x", "3", "4", "9", "2", "ann", "ren01", "8"],
            id="where",
        ),
        pytest.param("x $HOME $(id) `id` ${ITEM}; rm", ["x", "$HOME", "$(id)", "`id`", "5;", "rm"], id="no-shell"),
        pytest.param("x $${ITEM} $", ["x", "${ITEM}", "$"], id="escaped"),
        pytest.param("x '' \"a b\"", ["x", "", "a b"], id="quotes"),
        pytest.param("x ${SHOT}/${ITEM}", ["x", "a b; c/5"], id="own-variable-stays-one-word"),
    ],
)
def test_placeholders_are_filled_in_without_a_shell(text: Json, expected: list[str]) -> None:
    assert command({"command": text}, envs={"SHOT": "a b; c"}).get_commandline("5") == expected


def test_a_negative_item_is_padded_behind_its_sign() -> None:
    assert command({"command": "x ${ITEM:4}"}, items="-3").get_commandline("-3") == ["x", "-0003"]


def test_input_and_output_follow_the_item() -> None:
    engine = command({"command": "x ${INPUT} ${OUTPUT} ${OUTPUT_FOLDER}"}, given="/i/a.%04d.exr", output="/o/b.####.png")
    assert engine.get_commandline("6") == ["x", "/i/a.0006.exr", "/o/b.0006.png", "/o"]
    assert engine.expected_outputs(6) == ["/o/b.0006.png"]


def test_an_output_folder_promises_no_files() -> None:
    engine = command({"command": "x ${OUTPUT_FOLDER}"}, output="/o/folder/")
    assert engine.get_commandline("5") == ["x", "/o/folder"]
    assert engine.expected_outputs(5) is None


def test_every_item_is_a_process() -> None:
    assert [str(step.items) for step in command({"command": "x"}).get_steps()] == ["5", "6", "7"]


def test_an_unknown_placeholder_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown placeholder '\$\{ITEMM\}'. Did you mean '\$\{ITEM\}'\?"):
        command({"command": "x ${ITEMM}"}).get_commandline("5")


def test_an_unknown_placeholder_like_no_other_lists_them_all() -> None:
    with pytest.raises(UnknownNameError, match=r"Known: .*\$\{ITEM\}.*\$\{SHOT\}"):
        command({"command": "x ${QQQQQQQQQQ}"}, envs={"SHOT": "s"}).get_commandline("5")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(None, "no command", id="none"),
        pytest.param("", "no command", id="empty"),
        pytest.param("x 'open", "No closing quotation", id="quote"),
        pytest.param(7, "must be text or a list", id="number"),
        pytest.param(["x", ["y"]], "must be text or a list", id="nested"),
    ],
)
def test_a_command_that_cannot_be_run(value: Json, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        command({"command": value}).get_commandline("5")


def test_allowed_exit_codes() -> None:
    assert command({"command": "x", "allowed_exitcodes": [0, 3]}).get_allowed_exitcodes() == [0, 3]
    assert command({"command": "x", "allowed_exitcodes": 3}).get_allowed_exitcodes() == [3]
    with pytest.raises(EngineError, match="whole number"):
        command({"command": "x", "allowed_exitcodes": "3"}).get_allowed_exitcodes()


def test_it_runs_anywhere() -> None:
    offer = command({}).probe()
    assert offer is not False
