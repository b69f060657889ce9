"""The second question to the same facts: does the real-time design fit its traffic?"""

from __future__ import annotations

from pathlib import Path

import wsdiag
from wsdiag import account, contents, detectors, evidence, explain, proving
from wsdiag import review as questions
from wsdiag.advice import Review
from wsdiag.config import Config
from wsdiag.contents import schemas
from wsdiag.evidence import Paths
from wsdiag.gather import gather
from wsdiag.redact import Redactor, hiding

DEFAULTS = Config()


def review(
    paths: Paths, config: Config = DEFAULTS, schema: str | None = None, title: str = ""
) -> Review:
    """Answer the architecture questions from the traffic under `paths`; `schema` is the file of a
    JSON Schema that messages are held to. Raises `NoEvidence`, and `ConfigError` on a bad schema.
    """
    check = schemas.check(schema) if schema else None
    with (
        hiding(config.redact),
        evidence.collect(paths) as found,
        contents.noted(check) as notebook,
    ):
        gathered = gather(found, config)
        story = gathered.story(by_file=True)  # as messages are noted
        frame, _ = detectors.judge(
            story, config.goals(), detectors.chosen(config.select, config.ignore)
        )
        traffic = questions.gathered(
            story,
            notebook,
            gathered.clocks,
            gathered.formats,
            gathered.stacks,
            (gathered.since, gathered.until),
        )
        checked = explain.checklist(frame, story)
        named = schema and Path(schema).name
        answers = questions.answer(traffic, checked, config.review, named)
        redactor = Redactor()
        told = proving.advised(answers, gathered, redactor, notebook)
        return Review(
            tool=f"wsdiag {wsdiag.__version__}",
            window=account.window(gathered),
            inputs=account.inputs(gathered),
            redactions=account.ledger(gathered, redactor),
            redacted=config.redact.secrets,
            limits=config.review,
            **told | ({"feature": redactor.mask(title)} if title else {}),
        )
