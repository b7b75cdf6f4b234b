"""A PostgreSQL of its own on 127.0.0.1, filled with the text messages of ../../sms.

    SMS_PASSWORD=... python server.py [port]

It lives in a temporary folder until Ctrl-C. Needs PostgreSQL (Debian's package `postgresql`) and
`pip install 'luthier[data]'`. PostgreSQL refuses to run as root: root starts it as `postgres`.
"""

import csv
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

MESSAGES = Path(__file__).parents[2] / "sms" / "messages.csv"
TABLE = """
CREATE TABLE messages (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sent_at timestamp, sender text, network text, country text, label text, text text
);
CREATE ROLE reader LOGIN PASSWORD {password};
GRANT SELECT ON messages TO reader;
"""
INSERT = """
INSERT INTO messages (sent_at, sender, network, country, label, text)
VALUES (%s, %s, %s, %s, %s, %s)
"""

port = sys.argv[1] if len(sys.argv) > 1 else "54329"
password = os.environ["SMS_PASSWORD"]
folder = Path(tempfile.mkdtemp(prefix="sms-", dir="/tmp"))  # a socket's path must be short
(folder / "password").write_text(password)
user = {}
if os.geteuid() == 0:
    owner = pwd.getpwnam("postgres")
    user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    for path in (folder, folder / "password"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
programs = Path(str(found[-1]) if found else shutil.which("initdb") or "initdb").parent


def run(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; what it says goes to a file, for the server keeps it open."""
    with (folder / "said").open("ab") as said:
        command = [programs / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=said, stderr=said, **user)


def rows() -> list[list[str | None]]:
    """The rows of the file that are whole; an empty field is a NULL."""
    with MESSAGES.open(encoding="utf-8", errors="replace", newline="") as file:
        _, *found = csv.reader(file)
    return [[field or None for field in row] for row in found if len(row) == 6]


def fill() -> int:
    """Make the table, its rows and a user who may only read it."""
    login = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": password}
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as server:
        server.execute("CREATE DATABASE sms")
    with psycopg.connect(**login, dbname="sms") as base:
        base.execute(sql.SQL(TABLE).format(password=sql.Literal(password)))
        base.cursor().executemany(INSERT, messages := rows())
    return len(messages)


for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
try:
    login = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    run("initdb", "--encoding=UTF8", *login)
    run("pg_ctl", "-w", "-o", f"-h 127.0.0.1 -p {port} -k {folder}", "start")
    try:
        print(f"{fill()} messages on 127.0.0.1:{port}; Ctrl-C stops and deletes it", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
finally:
    shutil.rmtree(folder)
