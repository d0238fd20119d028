"""What the services answer, for every transport: other labels, and questions about a body.

Both take a text and give a sign of success and a text: diagnostic_msgs/AddDiagnostics is the service of ROS's common
interfaces that has this shape, so callers need no package of ours.
"""

from __future__ import annotations

from typing import NamedTuple

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_ros2.labeler import Labeler

SET_LABELS = "/skeletonllm/set_labels"
ASK = "/skeletonllm/ask"


class Reply(NamedTuple):
    """Whether it was done, and the answer or what was wrong."""

    success: bool
    message: str


def answered(labeler: Labeler, service: str, text: str) -> Reply:
    """The reply of a service.

    Args:
        labeler: what is asked.
        service: `SET_LABELS`: candidates with commas between them, nothing for the model's own. `ASK`: a question, of the
            body that was heard of last, or of "BODY: question".
        text: of the request.
    """
    try:
        if service == SET_LABELS:
            listed = [label.strip() for label in text.split(",") if label.strip()]
            labeler.set_labels(listed or None)
            return Reply(True, f"labels: {', '.join(listed) or 'those of the model'}")
        body, colon, question = text.partition(":")
        bodies = {status.body for status in labeler.status()}
        if colon and body.strip() in bodies:
            return Reply(True, labeler.ask(body.strip(), question.strip()))
        return Reply(True, labeler.ask("", text))
    except SkeletonLLMError as problem:
        return Reply(False, str(problem))
