"""`python -m tests.grafana.looks types`: the dashboards against Grafana's types; `pictures FOLDER`: drawn in a browser.

Both need Node (`npm`) and install what `web/package-lock.json` names the first time. Pictures need Chromium as well;
they are of a month of made-up data in a PostgreSQL of their own, drawn with the components Grafana itself draws
with, in the widths and colours the JSON asks for. Failure: one line, exit code 2; a dashboard that does not fit the
types ends with what the compiler says and exit code 1.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from grafana.generate import FOLDER

WEB = Path(__file__).parent / "web"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=20000", "--force-device-scale-factor=1",
)  # fmt: skip
WIDTH, ROW = 1610, 36


# JSON says the value of an enumeration where TypeScript wants its name.
_TYPED = """import type { Dashboard } from "@grafana/schema";

type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

"""


class CannotLook(Exception):
    """Something this machine lacks, and what to do."""


def _program(names: tuple[str, ...], what: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise CannotLook(f"{what} is needed ({' or '.join(names)} on the PATH)")
    return found


def _npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    npm = _program(("npm",), "Node with npm")
    if not (WEB / "node_modules" / ".package-lock.json").is_file():
        installed = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WEB, capture_output=True, text=True
        )
        if installed.returncode != 0:
            raise CannotLook(f"npm could not install {WEB}: {(installed.stderr or installed.stdout).strip()[-300:]}")
    return subprocess.run([npm, *arguments], cwd=WEB, capture_output=True, text=True)


def check_types() -> str:
    """What the compiler has against the dashboards; empty when nothing. Raises CannotLook."""
    made = WEB / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for path in sorted(FOLDER.glob("*.json")):
        (made / f"{path.stem}.ts").write_text(f"{_TYPED}export const board: Plain<Dashboard> = {path.read_text()};\n")
    done = _npm("run", "--silent", "types")
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


def draw(folder: Path) -> Iterator[Path]:
    """A PNG of each dashboard. Raises CannotLook."""
    browser = _program(BROWSERS, "Chromium")
    built = _npm("run", "--silent", "page")
    if built.returncode != 0:
        raise CannotLook(f"the page could not be built: {(built.stderr or built.stdout).strip()[-2000:]}")
    folder.mkdir(parents=True, exist_ok=True)
    with _month() as (cursor, view), tempfile.TemporaryDirectory(prefix="okxbot-looks-") as place:
        page = Path(place) / "page"
        shutil.copytree(WEB / "dist", page)
        index = (page / "index.html").read_text()
        for path in sorted(FOLDER.glob("*.json")):
            board = json.loads(path.read_text())
            answers = {panel["title"]: _answer(cursor, view.expand(panel["targets"][0]["rawSql"]))
                       for panel in board["panels"]}  # fmt: skip
            made = json.dumps({"dashboard": board, "answers": answers}, default=str).replace("</", "<\\/")
            (page / f"{path.stem}.html").write_text(
                index.replace("<head>", f"<head><script>window.made = {made}</script>")
            )
            height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * ROW + 80
            picture = folder / f"{path.stem}.png"
            with _served(page) as address:
                subprocess.run(
                    [browser, *QUIET, f"--user-data-dir={place}/{path.stem}", f"--window-size={WIDTH},{height}",
                     f"--screenshot={picture.resolve()}", f"{address}/{path.stem}.html"],
                    capture_output=True, check=True, timeout=120,
                )  # fmt: skip
            yield picture


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The folder over HTTP: a browser loads no modules from files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def _month() -> Iterator[tuple[Any, Any]]:
    """A cursor with the rights of Grafana's role on a month of data, and a view of its last week."""
    import psycopg2

    from bench.year_of_data import END, SHOWN, seed
    from grafana.expand import View
    from runtime.migrate import upgrade_to_head
    from runtime.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="okxbot-looks-") as place:
        Path(place).chmod(0o755)
        with EmbeddedPostgres(Path(place) / "postgres") as server:
            upgrade_to_head(server.url)
            for _ in seed(server.url, days=30, candle_instruments=3):
                pass
            connection = psycopg2.connect(server.dsn)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE okxbot_reader; SELECT max(cycle_id) FROM trades")
                cycle = str(cursor.fetchone()[0])  # type: ignore[index]
                start = END.fromtimestamp(END.timestamp() - 7 * 86400, END.tzinfo)
                yield cursor, View(start, END, SHOWN, [str(v) for v in range(1, 93)], cycle, "1h")
            connection.close()


def _answer(cursor: Any, sql: str) -> dict[str, Any]:
    """The rows as a browser wants them: times in ms, numbers as numbers."""
    cursor.execute(sql)
    rows = [[_plain(value) for value in row] for row in cursor.fetchall()]
    kinds = {16: "boolean", 1184: "time", 1114: "time", 20: "number", 21: "number", 23: "number", 700: "number",
             701: "number", 1700: "number"}  # fmt: skip
    columns = [{"name": column.name, "type": kinds.get(column.type_code, "string")} for column in cursor.description]
    return {"columns": columns, "rows": rows}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def main(arguments: list[str]) -> int:
    """`types`, or `pictures FOLDER`."""
    try:
        if arguments == ["types"]:
            trouble = check_types()
            sys.stdout.write(trouble + "\n" if trouble else "the dashboards fit @grafana/schema\n")
            return 1 if trouble else 0
        if len(arguments) == 2 and arguments[0] == "pictures":
            for picture in draw(Path(arguments[1])):
                sys.stdout.write(f"{picture}\n")
                sys.stdout.flush()
            return 0
    except CannotLook as lack:
        sys.stderr.write(f"{lack}\n")
        return 2
    sys.stderr.write("usage: python -m tests.grafana.looks types | pictures FOLDER\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
