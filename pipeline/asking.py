"""A person's question to the researcher: read from the audit log, answered once, told as an alert."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from brain.research import Researcher, ResearchRequest
from execution import notices
from models import Alert, AuditEntry
from models.session import SessionFactory

ASKED = "research_asked"
KIND = "research"


def answer_question(sessions: SessionFactory, account_id: int, researcher: Researcher, question_id: int) -> bool:
    """Answer the question with that audit id; False when there is none, or it was answered before.

    What cannot be found out is told, too, with the reason. Text of third parties: data only.
    """
    with sessions() as session:
        asked = session.get(AuditEntry, question_id)
        if asked is None or asked.action != ASKED or _answered(session, account_id, question_id):
            return False
    question = str(asked.detail["question"])
    found = researcher.research(ResearchRequest(question, "an operator asked", None))
    payload = {
        "question_id": question_id,
        "question": question,
        "sources": [{"title": source.title, "url": source.url} for source in found.sources],
    }
    with sessions.begin() as session:
        if _answered(session, account_id, question_id):
            return False
        notices.alert(session, account_id, KIND, "INFO", found.text or found.reason, payload=payload)
    return True


def _answered(session: Session, account_id: int, question_id: int) -> bool:
    """Whether the alert is there."""
    query = select(Alert.id).where(
        Alert.account_id == account_id, Alert.kind == KIND, Alert.payload["question_id"].as_integer() == question_id
    )
    return session.scalar(query.limit(1)) is not None
