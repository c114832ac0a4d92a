"""Which elements of a message are read, and into which column: the mapping that docs/messages.md shows.

Everything else of a message is not read; an import counts it by the path of its element.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from muledetect.messages._xml import Kind


def _account(path: str) -> tuple[str, ...]:
    return f"{path}/Id/IBAN", f"{path}/Id/Othr/Id"


def _bank(path: str) -> tuple[str, ...]:
    """Return where a bank is named: by its BIC (BIC in versions before 2013), else by its id in a clearing system."""
    return tuple(f"{path}/FinInstnId/{name}" for name in ("BICFI", "BIC", "ClrSysMmbId/MmbId", "Othr/Id"))


_PAID: Final = "CdtTrfTxInf"
PACS_008: Final = Kind(
    "pacs.008",
    "FIToFICstmrCdtTrf",
    (_PAID,),
    {
        "transfer_id": (f"{_PAID}/PmtId/UETR", f"{_PAID}/PmtId/TxId"),
        "time": (f"{_PAID}/AccptncDtTm", "GrpHdr/CreDtTm"),
        "source": _account(f"{_PAID}/DbtrAcct"),
        "target": _account(f"{_PAID}/CdtrAcct"),
        "amount": (f"{_PAID}/IntrBkSttlmAmt",),
        "currency": (f"{_PAID}/IntrBkSttlmAmt@Ccy",),
        "source_bank": _bank(f"{_PAID}/DbtrAgt"),
        "target_bank": _bank(f"{_PAID}/CdtrAgt"),
    },
)

_BACK: Final = "TxInf"
#: A return goes the other way: the payee of the original transfer pays, and its payer receives.
PACS_004: Final = Kind(
    "pacs.004",
    "PmtRtr",
    (_BACK,),
    {
        "transfer_id": (f"{_BACK}/RtrId",),
        "reversal_of": (f"{_BACK}/OrgnlUETR", f"{_BACK}/OrgnlTxId"),
        "time": ("GrpHdr/CreDtTm",),
        "source": _account(f"{_BACK}/RtrChain/DbtrAcct") + _account(f"{_BACK}/OrgnlTxRef/CdtrAcct"),
        "target": _account(f"{_BACK}/RtrChain/CdtrAcct") + _account(f"{_BACK}/OrgnlTxRef/DbtrAcct"),
        "amount": (f"{_BACK}/RtrdIntrBkSttlmAmt",),
        "currency": (f"{_BACK}/RtrdIntrBkSttlmAmt@Ccy",),
        "source_bank": _bank(f"{_BACK}/RtrChain/DbtrAgt") + _bank(f"{_BACK}/OrgnlTxRef/CdtrAgt"),
        "target_bank": _bank(f"{_BACK}/RtrChain/CdtrAgt") + _bank(f"{_BACK}/OrgnlTxRef/DbtrAgt"),
    },
)


def _statement(name: str, root: str, report: str) -> Kind:
    """Return a kind of message that tells entries of an account, as camt.053 and camt.054 do alike."""
    entry = f"{report}/Ntry"
    detail = f"{entry}/NtryDtls/TxDtls"
    parties, agents = f"{detail}/RltdPties", f"{detail}/RltdAgts"
    columns: Mapping[str, tuple[str, ...]] = {
        "account": _account(f"{report}/Acct"),
        "bank": _bank(f"{report}/Acct/Svcr"),
        "report": (f"{report}/Id",),
        "sequence": (f"{report}/ElctrncSeqNb", f"{report}/LglSeqNb"),
        "uetr": (f"{detail}/Refs/UETR",),
        "reference": (f"{detail}/Refs/AcctSvcrRef", f"{entry}/AcctSvcrRef"),
        "time": (
            f"{detail}/RltdDts/AccptncDtTm", f"{detail}/RltdDts/TxDtTm", f"{entry}/BookgDt/DtTm", f"{entry}/BookgDt/Dt",
            f"{entry}/ValDt/DtTm", f"{entry}/ValDt/Dt",
        ),
        "direction": (f"{detail}/CdtDbtInd", f"{entry}/CdtDbtInd"),
        "is_reversal": (f"{entry}/RvslInd",),
        "return_reason": (f"{detail}/RtrInf/Rsn/Cd", f"{detail}/RtrInf/Rsn/Prtry"),
        "status": (f"{entry}/Sts/Cd", f"{entry}/Sts"),
        "entry_amount": (f"{entry}/Amt",),
        "entry_currency": (f"{entry}/Amt@Ccy",),
        "amount": (f"{detail}/Amt", f"{detail}/AmtDtls/TxAmt/Amt"),
        "currency": (f"{detail}/Amt@Ccy", f"{detail}/AmtDtls/TxAmt/Amt@Ccy"),
        "debtor": _account(f"{parties}/DbtrAcct"),
        "creditor": _account(f"{parties}/CdtrAcct"),
        "debtor_bank": _bank(f"{agents}/DbtrAgt"),
        "creditor_bank": _bank(f"{agents}/CdtrAgt"),
        "balance_kind": (f"{report}/Bal/Tp/CdOrPrtry/Cd",),
        "balance": (f"{report}/Bal/Amt",),
        "balance_currency": (f"{report}/Bal/Amt@Ccy",),
        "balance_direction": (f"{report}/Bal/CdtDbtInd",),
        "balance_day": (f"{report}/Bal/Dt/Dt", f"{report}/Bal/Dt/DtTm"),
    }  # fmt: skip
    return Kind(name, root, (report, entry, detail, f"{report}/Bal"), columns)


CAMT_053: Final = _statement("camt.053", "BkToCstmrStmt", "Stmt")
CAMT_054: Final = _statement("camt.054", "BkToCstmrDbtCdtNtfctn", "Ntfctn")

_ANSWER: Final = "CxlDtls/TxInfAndSts"
CAMT_029: Final = Kind(
    "camt.029",
    "RsltnOfInvstgtn",
    (_ANSWER,),
    {
        "message_id": ("Assgnmt/Id",),
        "time": ("Assgnmt/CreDtTm",),
        "answered_by": _bank("Assgnmt/Assgnr/Agt"),
        "case_id": (f"{_ANSWER}/RslvdCase/Id", "RslvdCase/Id"),
        "transfer_id": (f"{_ANSWER}/OrgnlUETR", f"{_ANSWER}/OrgnlTxId"),
        "status": (f"{_ANSWER}/TxCxlSts", "Sts/Conf"),
        "reason": (f"{_ANSWER}/CxlStsRsnInf/Rsn/Cd", f"{_ANSWER}/CxlStsRsnInf/Rsn/Prtry"),
    },
)

#: Messages that `import iso20022` takes.
TRANSFERS: Final = (PACS_008, PACS_004, CAMT_053, CAMT_054)

#: Every kind of message of ISO 20022 that is read.
KINDS: Final = (*TRANSFERS, CAMT_029)


def describe_kind(kind: Kind) -> str:
    """Return which element each column of a kind is read from, as a table in Markdown."""
    lines = ["| column | elements, the first that is there |", "|---|---|"]
    for column, paths in kind.columns.items():
        lines.append(f"| `{column}` | {', '.join(f'`{path}`' for path in paths)} |")
    return "\n".join(lines)
