"""Tables of pairs are read strictly: what cannot be analysed is refused with its place."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.pairs.pairs_csv import read_pairs
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.published import void_reasons
from autopack.model.errors import BadInput, NotFound

HEADER = "pair,plan,control_tokens,treatment_tokens,control_success,treatment_success"
ROW = "p1,a,100,80,true,true"


def read(folder: Path, text: str) -> PairTable:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return read_pairs(path)


def table(*lines: str) -> str:
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message", "field"),
    [
        # nothing, or nothing but a header
        ("", "is empty", "csv"),
        ("\n\n", "is empty", "csv"),
        (table(HEADER), "has no pairs", None),
        # columns
        (table(HEADER.replace(",plan", ""), "p1,1,2,1,1"), "column plan is missing", "plan"),
        (table(HEADER + ",plan", ROW + ",b"), "column plan is there twice", "plan"),
        (
            table(HEADER + ",control_cost", ROW + ",1"),
            "treatment_cost is missing",
            "treatment_cost",
        ),
        (
            table(HEADER + ",treatment_phase_fraction", ROW + ",1"),
            "control_phase_fraction is missing",
            "control_phase_fraction",
        ),
        (table(HEADER.replace(",", ";"), ROW.replace(",", ";")), "not separated by commas", "csv"),
        (table(HEADER.replace(",", "|"), ROW.replace(",", "|")), "its line 1 has pipes", "csv"),
        (table(HEADER.replace(",", " | "), "---|---", ROW), "its line 1 has pipes", "csv"),
        (table(HEADER.replace(",", "\t"), ROW.replace(",", "\t")), "its line 1 has tabs", "csv"),
        # what stands in the place of a header, or between the rows
        (table(ROW, "p2,a,1,2,1,1"), "has no header: its line 1 holds data", "csv"),
        (table("sep=,", HEADER, ROW), "line 1: 'sep=,' is a spreadsheet's note", "csv"),
        (table("SEP=;", HEADER, ROW), "line 1: 'SEP=;' is a spreadsheet's note", "csv"),
        (table("# pairs of May", HEADER, ROW), "line 1: begins with #", "csv"),
        (table(HEADER, ROW, "# the rest is new"), "line 3: begins with #", "csv"),
        (table(HEADER, ROW, "# the rest is new,,,,,"), "line 3: begins with #", "csv"),
        ('[{"pair": "p1", "plan": "a"}]', "is JSON, not a table of pairs", "csv"),
        ('{"pair": "p1", "plan": "a"}\n', "is JSON, not a table of pairs", "csv"),
        (
            '"' + HEADER.replace(",", '";"') + '"',
            "not separated by commas: its first line has semicolons",
            "csv",
        ),
        # names that are nearly right
        (
            table(HEADER.replace("control_tokens", "control_token"), ROW),
            "column control_tokens is missing; did you mean control_token?",
            "control_tokens",
        ),
        (
            table(HEADER.replace("treatment_success", "treatment_sucess"), ROW),
            "column treatment_success is missing; did you mean treatment_sucess?",
            "treatment_success",
        ),
        (
            table(HEADER + ",control_costs,treatment_cost", ROW + ",1,1"),
            "column treatment_costs is missing; did you mean treatment_cost?",
            "treatment_costs",
        ),
        (table(HEADER + ",Pair", ROW + ",p1"), "column pair is there twice", "pair"),
        (table(HEADER, "p1,a,1,2"), "line 2: 4 cells under a header of 6", None),
        (table(HEADER, ROW + ",extra"), "line 2: 7 cells under a header of 6", None),
        (table(HEADER, 'p1,"a,1,2,1,1'), "line 2: unexpected end of data", "csv"),
        # numbers
        (
            table(HEADER, "p1,a,many,80,1,1"),
            "line 2, control_tokens: 'many' is not a number",
            "control_tokens",
        ),
        (
            table(HEADER, ROW, "", 'p2,a,"1,000",80,1,1'),
            "line 4, control_tokens: '1,000' is not",
            "control_tokens",
        ),
        (table(HEADER, "p1,a,1_000,80,1,1"), "'1_000' is not a number", "control_tokens"),
        (
            table(HEADER, "p1,a,100,-80,1,1"),
            "line 2, treatment_tokens: '-80' is negative",
            "treatment_tokens",
        ),
        (table(HEADER, "p1,a,100,0,1,1"), "'0' tokens have no ratio", "treatment_tokens"),
        (table(HEADER, "p1,a,100,NaN,1,1"), "'NaN' is not a finite number", "treatment_tokens"),
        (table(HEADER, "p1,a,inf,80,1,1"), "'inf' is not a finite number", "control_tokens"),
        (table(HEADER, "p1,a,1e300,80,1,1"), "'1e300' is over 1e+15", "control_tokens"),
        (table(HEADER, "p1,a,1e-300,80,1,1"), "'1e-300' is under 1e-06", "control_tokens"),
        (table(HEADER, "p1,a,,80,1,1"), "control_tokens: the cell is empty", "control_tokens"),
        # points and blanks between thousands
        (table(HEADER, "p1,a,1.000,80,1,1"), "'1.000' may mean 1 or 1000", "control_tokens"),
        (table(HEADER, "p1,a,5,12.500,1,1"), "'12.500' may mean 12 or 12500", "treatment_tokens"),
        (
            table(HEADER, "p1,a,1.250.000,80,1,1"),
            "'1.250.000' is not a number: write 1250000, without separators",
            "control_tokens",
        ),
        (table(HEADER, 'p1,a,"1,000",80,1,1'), "write 1000, without", "control_tokens"),
        (table(HEADER, "p1,a,1 000,80,1,1"), "write 1000, without", "control_tokens"),
        # words
        (
            table(HEADER, "p1,a,100,80,maybe,1"),
            "'maybe' is neither true nor false",
            "control_success",
        ),
        (table(HEADER, "p1,a,100,80,,1"), "control_success: the cell is empty", "control_success"),
        (table(HEADER, ",a,100,80,1,1"), "pair: the cell is empty", "pair"),
        (table(HEADER, "p1,,100,80,1,1"), "plan: the cell is empty", "plan"),
        (table(HEADER, ROW, ROW), "line 3, pair: 'p1' is already at line 2", "pair"),
        (table(HEADER + ",first", ROW + ",left"), "'left' is not control, treatment or", "first"),
        # optional numbers
        (
            table(HEADER + ",control_phase_fraction,treatment_phase_fraction", ROW + ",1,1.2"),
            "'1.2' is over 1",
            "treatment_phase_fraction",
        ),
        (
            table(HEADER + ",control_x,treatment_x", ROW + ",1,-1"),
            "'-1' is negative",
            "treatment_x",
        ),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str, field: str | None) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)
    assert message in caught.value.message
    assert caught.value.message.startswith("pairs.csv")
    assert "\n" not in caught.value.message
    assert caught.value.field == field
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "content", [(HEADER + "\n" + ROW).encode("utf-16"), HEADER.encode() + b"\np\xe9,a,1,2,1,1"]
)
def test_other_encodings_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(BadInput, match="is not UTF-8 text"):
        read_pairs(tmp_path / "pairs.csv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        read_pairs(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="cannot be read"):
        read_pairs(tmp_path)


def test_spellings_of_a_spreadsheet_are_read(tmp_path: Path) -> None:
    text = f"\ufeff{HEADER}\r\n p1 , a ,1e5,80000.0,TRUE,no\r\n\r\n,,,,,\r\np2,a,5,6,1,0\r\n"
    (tmp_path / "pairs.csv").write_bytes(text.encode())
    pairs = read_pairs(tmp_path / "pairs.csv")
    assert pairs.frame["pair"].tolist() == ["p1", "p2"]
    assert pairs.values("control_tokens").tolist() == [100_000, 5]
    assert pairs.valid["control_success"].tolist() == [True, True]
    assert pairs.valid["treatment_success"].tolist() == [False, False]


def test_success_stands_in_for_phase_completion(tmp_path: Path) -> None:
    pairs = read(tmp_path, table(HEADER, "p1,a,100,80,1,0"))
    assert not pairs.has_phase_fractions
    assert pairs.values("control_phase_fraction").tolist() == [1]
    assert pairs.values("treatment_phase_fraction").tolist() == [0]


def test_metrics_and_what_is_ignored(tmp_path: Path) -> None:
    header = HEADER + ",control_cost,note,treatment_cost"
    pairs = read(tmp_path, table(header, ROW + ",1.5,hm,", "p2,a,1,2,1,1,0,,2"))
    assert pairs.metrics == ("cost",)
    assert pairs.ignored == ("note",)
    cost = pairs.values("treatment_cost")
    assert math.isnan(cost[0])
    assert cost[1] == 2


def test_a_void_pair_may_lack_what_it_did_not_get(tmp_path: Path) -> None:
    pairs = read(
        tmp_path, table(HEADER + ",void", "p1,a,,0,,,crashed", ROW.replace("p1", "p2") + ",")
    )
    assert pairs.valid["pair"].tolist() == ["p2"]
    assert pairs.void["void"].tolist() == ["crashed"]


def test_records_give_the_same_table_as_a_file(tmp_path: Path) -> None:
    record = {
        "pair": "p1",
        "plan": "a",
        "control_tokens": 100,
        "treatment_tokens": 80.5,
        "control_success": True,
        "treatment_success": False,
        "control_cost": None,
        "treatment_cost": 0.25,
        "void": None,
    }
    header = HEADER + ",control_cost,treatment_cost,void"
    from_file = read(tmp_path, table(header, "p1,a,100,80.5,true,false,,0.25,"))
    assert table_of([record]).frame.equals(from_file.frame)


def test_records_are_checked_by_name() -> None:
    record = dict.fromkeys(HEADER.split(","), 1) | {"pair": "p9", "control_tokens": -1}
    with pytest.raises(BadInput, match="pairs, pair 'p9', control_tokens: '-1' is negative"):
        table_of([record])
    with pytest.raises(BadInput, match="pairs has no pairs"):
        table_of([])


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        *((word, "") for word in ("", "false", "FALSE", "0", "no", "No", "n", "off", "nan", "-")),
        *((word, "no reason given") for word in ("true", "1", "yes")),
        ("crashed", "crashed"),
        ("0 tokens", "0 tokens"),
    ],
)
def test_a_pair_is_void_for_a_reason(tmp_path: Path, cell: str, reason: str) -> None:
    pairs = read(tmp_path, table(HEADER + ",void", ROW + f",{cell}"))
    assert pairs.frame["void"].tolist() == [reason]


def test_case_and_blanks_of_a_header_mean_nothing(tmp_path: Path) -> None:
    text = table(
        HEADER.replace(",", " , ").title() + ",VOID,Control_Cost,TREATMENT_COST", ROW + ",no,1,2"
    )
    pairs = read(tmp_path, text)
    assert pairs.metrics == ("cost",)
    assert pairs.valid["pair"].tolist() == ["p1"]


def test_fractions_of_tokens_are_explained(tmp_path: Path) -> None:
    # 12.125 alone could be twelve thousand; beside 0.5 it cannot
    pairs = read(tmp_path, table(HEADER, "p1,a,0.5,80,1,1", "p2,a,12.125,80.0,1,1"))
    assert pairs.values("control_tokens").tolist() == [0.5, 12.125]
    assert pairs.notes == (
        "control_tokens has 2 fractions, the first at line 2 (0.5): tokens are whole numbers, so "
        "the ratios are those of another unit",
    )


def test_columns_that_are_nearly_known_are_pointed_out(tmp_path: Path) -> None:
    header = HEADER + ",viod,control_phase_fractions,treatment_phase_fractions"
    pairs = read(tmp_path, table(header, ROW + ",crashed,1,1"))
    assert pairs.notes[0] == "column viod was ignored; did you mean void?"
    assert "column control_phase_fractions was read as a metric; did you mean" in pairs.notes[1]


def test_a_wrong_cell_is_found_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopack.experiments.pairs.pairs_csv._BLOCK", 3)
    rows = [f"p{n},a,{n + 1},80,1,1,{'x' if n == 4 else ''}" for n in range(10)]
    heard: list[int] = []
    (tmp_path / "pairs.csv").write_text(table(HEADER + ",void", *rows))
    pairs = read_pairs(tmp_path / "pairs.csv", progress=heard.append)
    assert pairs.values("control_tokens").tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert heard == [3, 6, 9]
    with pytest.raises(BadInput, match="line 9, control_tokens: 'x' is not a number"):
        read(tmp_path, table(HEADER + ",void", *rows).replace("p7,a,8", "p7,a,x"))


@pytest.mark.parametrize("nothing", ["", "NA", "NaN", "null", "None", "-", "n/a"])
def test_what_programs_write_for_nothing_is_unknown(tmp_path: Path, nothing: str) -> None:
    header = HEADER + ",void,control_cost,treatment_cost"
    void = ",".join([nothing] * 4)
    pairs = read(
        tmp_path, table(header, f"{ROW},,{nothing},0.5", f"p2,a,{void},crash,{nothing},{nothing}")
    )
    assert pairs.frame["control_cost"].isna().tolist() == [True, True]
    assert pairs.frame["treatment_tokens"].isna().tolist() == [False, True]
    assert void_reasons(pairs) == {"crash": 1}


def test_a_void_pair_may_have_used_nothing_in_any_spelling(tmp_path: Path) -> None:
    pairs = read(tmp_path, table(HEADER + ",void", "p1,a,0.0,0,0.00,0,crash"))
    assert pairs.frame["control_tokens"].isna().all()


@pytest.mark.parametrize("ending", ["\r", "\r\n", "\n"], ids=["old Mac", "Windows", "Unix"])
def test_lines_end_as_any_system_ends_them(tmp_path: Path, ending: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(table(HEADER, ROW).replace("\n", ending).encode())
    assert len(read_pairs(tmp_path / "pairs.csv").frame) == 1


def test_a_name_is_the_same_in_other_code_points(tmp_path: Path) -> None:
    rows = ("p1,caf\u00e9,100,80,1,1", "p2,cafe\u0301,100,80,1,1")
    assert len(set(read(tmp_path, table(HEADER, *rows)).frame["plan"])) == 1


def test_shares_of_runs_are_yes_or_no_only_where_they_are_whole(tmp_path: Path) -> None:
    pairs = read(tmp_path, table(HEADER, "p1,a,100,80,1.00,0.00"))
    assert pairs.frame[["control_success", "treatment_success"]].to_numpy().tolist() == [
        [True, False]
    ]


def test_a_column_without_a_name_needs_no_remark(tmp_path: Path) -> None:
    assert read(tmp_path, table("," + HEADER, "0," + ROW)).ignored == ()
