"""What is true: every form in arbitrary precision, rounded once to the format that is asked for."""

from lossbench.reference.certificate import Certificate
from lossbench.reference.form import Form
from lossbench.reference.forms import FORMS, form_of
from lossbench.reference.oracle import Exact, evaluate, exact

__all__ = ["FORMS", "Certificate", "Exact", "Form", "evaluate", "exact", "form_of"]
