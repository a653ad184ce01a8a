"""`laneway log`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click

from laneway.cli.command import command
from laneway.cli.exits import Code
from laneway.cli.link import Link, job_id
from laneway.cli.loglines import LogText
from laneway.cli.output import print_json, print_json_line, width
from laneway.client import LogChunk, Session
from laneway.errors import NotFoundError, UserError

TAIL_START, TAIL_MOST = 64 * 1024, 64 * 1024 * 1024  # bytes looked through for the last lines
LOOK_AGAIN = 1.0  # seconds between two looks for a first or next attempt


@command(
    "log",
    examples="""
laneway log 42                     what the newest attempt of the job printed
laneway log 42 --item 7            the newest attempt of frame 7
laneway log 42 --follow --tail 20  stay with the job, attempt after attempt
laneway log 42 --raw > render.log  byte for byte
""",
)
@click.argument("job", type=job_id, metavar="ID")
@click.option("-i", "--item", type=int, metavar="FRAME", help="The newest attempt of this frame.")
@click.option("-a", "--attempt", type=job_id, metavar="N", help="This attempt; `laneway attempts ID` lists them.")
@click.option("-f", "--follow", is_flag=True, help="Stay and show what is added, until the job (or the attempt) is over.")
@click.option("-t", "--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("--raw", is_flag=True, help="Byte for byte, with every step of a progress line.")
@click.pass_obj
def log(link: Link, job: int, item: int | None, attempt: int | None, follow: bool, tail: int | None, raw: bool) -> int:
    """Show or follow what a renderer prints.

    Of a progress line that overwrites itself only the last state is shown; --raw shows all.
    """
    if item is not None and attempt is not None:
        raise UserError("an attempt belongs to its frames already.", field="--item", fix="Pass --item or --attempt, not both.")
    if link.json and raw:
        raise UserError("--raw and --json do not go together.", field="--raw")
    session = link.session()
    if follow and attempt is None:
        return _follow_job(session, job, item, tail, raw=raw, as_json=link.json)
    first = _start(session, job, item, attempt, tail)
    rest = session.follow_log(job, item, first.attempt, first.next) if follow else _rest(session, job, item, first)
    _show(first, rest, raw=raw, as_json=link.json, stream=follow)
    return Code.OK


def _start(session: Session, job: int, item: int | None, attempt: int | None, tail: int | None) -> LogChunk:
    """The first piece: the log's beginning, or its last `tail` lines."""
    if tail is None:
        return session.log(job, item, attempt)
    span = TAIL_START
    while True:
        chunk = session.log(job, item, attempt, -span, limit=span)
        pieces = [chunk, *_rest(session, job, item, chunk, until=chunk.size)]
        data = b"".join(piece.data for piece in pieces)
        places = _line_starts(data)
        if len(places) > tail or chunk.offset == 0 or span >= TAIL_MOST:
            start = places[-tail] if 0 < tail <= len(places) else len(data) if tail == 0 else 0
            last = pieces[-1]
            return LogChunk(
                data=data[start:],
                offset=chunk.offset + start,
                next=last.next,
                size=last.size,
                complete=last.complete,
                attempt=chunk.attempt,
            )
        span *= 8


def _line_starts(data: bytes) -> list[int]:
    """Where the lines of `data` start, as far as that is known: its first byte may be in the middle of one."""
    starts, at = [0] if data else [], data.find(b"\n")
    while 0 <= at < len(data) - 1:
        starts.append(at + 1)
        at = data.find(b"\n", at + 1)
    return starts


def _rest(session: Session, job: int, item: int | None, chunk: LogChunk, until: int | None = None) -> Iterator[LogChunk]:
    """What is there already behind a piece."""
    end = chunk.size if until is None else until
    while chunk.next < end:
        before = chunk.next
        chunk = session.log(job, item, chunk.attempt, before, limit=1024 * 1024)
        if chunk.next <= before:
            return
        yield chunk


def _follow_job(session: Session, job: int, item: int | None, tail: int | None, *, raw: bool, as_json: bool) -> int:
    """Attempt after attempt, until the job is over."""
    shown: int | None = None
    while True:
        over = session.job(job).over
        try:
            newest = session.log(job, item, limit=1).attempt
        except NotFoundError:
            newest = None
        if newest is not None and newest != shown:
            if not raw and not as_json:
                click.secho(f"--- attempt {newest} ---", dim=True, err=True)
            first = _start(session, job, item, newest, tail)
            _show(first, session.follow_log(job, item, newest, first.next), raw=raw, as_json=as_json, stream=True)
            shown, tail = newest, None
        elif over:
            if shown is None:
                raise NotFoundError(f"job {job} is over and nothing of it ran.", field="id", value=job)
            return Code.OK
        else:
            time.sleep(LOOK_AGAIN)


def _show(first: LogChunk, rest: Iterator[LogChunk], *, raw: bool, as_json: bool, stream: bool) -> None:
    if as_json:
        _show_json(first, rest, stream=stream)
        return
    if raw:
        out = sys.stdout.buffer
        for chunk in _both(first, rest):
            out.write(chunk.data)
            out.flush()
        return
    text = LogText(overwrite=(width() or 0) if stream else 0)
    end = first
    for chunk in _both(first, rest):
        end = chunk
        click.echo(text.feed(chunk.data), nl=False)
    click.echo(text.end(), nl=False)
    if end.complete and end.size == 0:
        click.echo(f"Attempt {end.attempt} printed nothing; `laneway attempts` shows what it ran.", err=True)


def _show_json(first: LogChunk, rest: Iterator[LogChunk], *, stream: bool) -> None:
    if stream:
        for chunk in _both(first, rest):
            print_json_line(_json(chunk, chunk.data))
        return
    chunks = list(_both(first, rest))
    last = chunks[-1]
    data = b"".join(chunk.data for chunk in chunks)
    whole = LogChunk(
        data=data, offset=first.offset, next=last.next, size=last.size, complete=last.complete, attempt=first.attempt
    )
    print_json(_json(whole, data))


def _json(chunk: LogChunk, data: bytes) -> dict[str, object]:
    return {
        "attempt": chunk.attempt,
        "offset": chunk.offset,
        "next": chunk.next,
        "size": chunk.size,
        "complete": chunk.complete,
        "text": data.decode("utf-8", "replace"),
    }


def _both(first: LogChunk, rest: Iterator[LogChunk]) -> Iterator[LogChunk]:
    yield first
    yield from rest
