"""What the rules find: codes with a severity, a meaning and a remedy, and findings that carry them.

Everything that is shown uses these codes; a test holds the table in `docs/findings.md` to this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Severity(StrEnum):
    """Whether a finding keeps a version out of a list."""

    REJECT = "reject"
    WARN = "warn"


class Role(StrEnum):
    """What a list is for; the rules differ by it."""

    TRUST = "trust"
    ISSUER = "issuer"
    BUNDLE = "bundle"


_REJECT, _WARN = Severity.REJECT, Severity.WARN


class Code(StrEnum):
    """A kind of finding.

    Attributes:
        severity: what it does unless the list's policy says otherwise.
        meaning: one sentence: what is wrong.
        remedy: one sentence: what to do about it.
    """

    severity: Severity
    meaning: str
    remedy: str

    def __new__(cls, value: str, severity: Severity, meaning: str, remedy: str) -> Self:
        """One row of the table below."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.severity, code.meaning, code.remedy = severity, meaning, remedy
        return code

    # The value itself.
    NOT_A_CERTIFICATE = (
        "not-a-certificate",
        _REJECT,
        "The value is something other than readable certificates and CRLs.",
        "Set the secret to a PEM or DER certificate or CRL, as text, hex or base64, and nothing else.",
    )
    KEY_VAULT_CERTIFICATE = (
        "key-vault-certificate",
        _REJECT,
        "The secret backs a Key Vault certificate, so its value carries the private key.",
        "Export only the public certificate and store it in a separate secret.",
    )
    PRIVATE_KEY = (
        "private-key",
        _REJECT,
        "The value holds a private key.",
        "Nothing of it was kept; treat the key as exposed, and set the secret to the certificate only.",
    )
    UNREADABLE = (
        "unreadable",
        _REJECT,
        "The vault refuses to give the value of this version.",
        "Give the service's identity the role Key Vault Secrets User on the vault, and enable the version.",
    )
    # One certificate or CRL.
    EXPIRED = (
        "expired",
        _REJECT,
        "The certificate is past its validity.",
        "Upload a renewed certificate; until then the last version in force stays.",
    )
    WEAK_KEY = (
        "weak-key",
        _REJECT,
        "The public key is too short or of a kind that is not accepted.",
        "Have it reissued with RSA of 2048 bits or more, P-256, P-384, P-521 or brainpool 256 or 384.",
    )
    WEAK_SIGNATURE = (
        "weak-signature",
        _REJECT,
        "The signature uses MD5, SHA-1 or an algorithm that is not known to be strong.",
        "Have it signed again with SHA-256 or better.",
    )
    NOT_A_CA = (
        "not-a-ca",
        _REJECT,
        "An issuer list takes CA certificates only, and this is not one.",
        "Assign it to the trust list, or upload the CA that issued it.",
    )
    CA_KEY_USAGE = (
        "ca-key-usage",
        _REJECT,
        "The CA certificate's key usage does not allow it to sign certificates.",
        "Have the CA certificate issued with keyCertSign and cRLSign.",
    )
    CRL_UNSUPPORTED = (
        "crl-unsupported",
        _REJECT,
        "The CRL proves nothing: it is delta or indirect, takes entries back or has an unknown critical extension.",
        "Upload the issuer's complete base CRL.",
    )
    CRL_PARTIAL = (
        "crl-partial",
        _REJECT,
        "The CRL covers a part of the certificates only, so it revokes what it lists and is not delivered.",
        "Upload the issuer's complete CRL for the lists.",
    )
    # The set of a list.
    CRL_WITHOUT_ISSUER = (
        "crl-without-issuer",
        _REJECT,
        "No certificate of the CRL's issuer is on the list.",
        "Assign the issuing CA to the same list; the CRL is then admitted automatically.",
    )
    CRL_SIGNATURE = (
        "crl-signature",
        _REJECT,
        "A CA of the CRL's issuer name is on the list, but its key did not sign this CRL.",
        "Check where the CRL comes from; if the CA has a new key, upload its new certificate too.",
    )
    CRL_ROLLBACK = (
        "crl-rollback",
        _REJECT,
        "The CRL is older than the one in force.",
        "Upload the issuer's newest CRL.",
    )
    REVOKED = (
        "revoked",
        _REJECT,
        "A CRL of the CA that issued the certificate revokes it.",
        "Upload a newly issued one, or let this one back in with trustcast revocations clear.",
    )
    FILE_NAME_TAKEN = (
        "file-name-taken",
        _REJECT,
        "Another secret has this file name on the list, or was admitted first.",
        "Name another file in the tag trustcast-file.",
    )
    BAD_FILE_NAME = (
        "bad-file-name",
        _REJECT,
        "The file name cannot be a key of the list, or its extension does not fit the content.",
        "Set the tag trustcast-file to letters, digits, '-', '_' and '.', ending in .der, .crt or .crl.",
    )
    TOO_MANY_CERTIFICATES = (
        "too-many-certificates",
        _REJECT,
        "The list's delivery maps one secret to one file, and the secret holds several.",
        "Put each certificate and CRL into a separate secret.",
    )
    ENCODING_MISMATCH = (
        "encoding-mismatch",
        _REJECT,
        "The list's delivery passes the value on as it is and cannot convert it to what the file name says.",
        "Upload the value in the encoding of the file's extension: DER for .der and .crl, PEM for .crt.",
    )
    LIST_TOO_LARGE = (
        "list-too-large",
        _REJECT,
        "The list would outgrow one Kubernetes object (1 MiB).",
        "Remove what is no longer needed, or spread the secrets over several lists.",
    )
    # The assignment.
    UNKNOWN_LIST = (
        "unknown-list",
        _REJECT,
        "The tag trustcast-lists names a list that is not defined.",
        "Correct the tag, or define the list in TRUSTCAST_LISTS.",
    )
    BAD_SELECTOR = (
        "bad-selector",
        _REJECT,
        "The tag trustcast-clusters is not a Kubernetes label selector.",
        "Write it like `site=hamburg,stage in (test, prod)`, or `*` for all clusters.",
    )
    NO_CLUSTER_SELECTOR = (
        "no-cluster-selector",
        _REJECT,
        "The secret names lists but no clusters.",
        "Add the tag trustcast-clusters with a label selector, or `*` for all clusters.",
    )
    BEYOND_CEILING = (
        "beyond-ceiling",
        _REJECT,
        "The assignment reaches further than the vault may.",
        "Narrow the tags, or widen the vault's ceiling in TRUSTCAST_VAULTS.",
    )
    BAD_ACCEPT = (
        "bad-accept",
        _WARN,
        "The tag trustcast-accept names something other than a finding code that can be waived.",
        "Name only expired, weak-key or weak-signature there.",
    )
    # Warnings about certificates and CRLs.
    EXPIRES_SOON = (
        "expires-soon",
        _WARN,
        "The certificate expires soon.",
        "Upload a renewed certificate before then.",
    )
    NOT_YET_VALID = (
        "not-yet-valid",
        _REJECT,
        "The validity begins in the future.",
        "Nothing to do: it waits and is in force by itself from then on; check the issuer's clock if that is wrong.",
    )
    CRL_STALE = (
        "crl-stale",
        _WARN,
        "The CRL's next update is overdue, so newer revocations may be missing.",
        "Upload the issuer's newest CRL.",
    )
    CRL_DISTRIBUTION_POINT = (
        "crl-distribution-point",
        _WARN,
        "The CRL names the distribution point that it is for, and is taken for complete.",
        "If the CA splits its CRL by distribution points, upload the complete one.",
    )
    CRL_OF_ANOTHER_KEY = (
        "crl-of-another-key",
        _WARN,
        "A CRL lists the serial number, but it is of another key of the CA's name, so it revokes nothing here.",
        "Ask the CA whether it means this certificate, and replace it if so.",
    )
    ISSUER_REVOKED = (
        "issuer-revoked",
        _WARN,
        "The CA that issued the certificate is revoked itself.",
        "Have it issued again by a CA that is in force, or disable it.",
    )
    CA_IN_TRUST_LIST = (
        "ca-in-trust-list",
        _WARN,
        "A CA on a trust list makes everything it ever signs trusted.",
        "Assign the CA to the issuer list, and only the servers' certificates to the trust list.",
    )
    NO_APPLICATION_URI = (
        "no-application-uri",
        _WARN,
        "The certificate names no ApplicationUri, which OPC UA applications compare.",
        "Have it issued with the server's ApplicationUri as a URI in its subject alternative name.",
    )
    ISSUER_MISSING = (
        "issuer-missing",
        _WARN,
        "The certificate that issued this one is on neither list of the cluster.",
        "Assign the issuing CA to the issuer list, or the chain cannot be built.",
    )
    DUPLICATE = (
        "duplicate",
        _WARN,
        "Another secret gives the list the same certificate or CRL.",
        "Unassign one of the two.",
    )
    QUICKSTART_CA = (
        "quickstart-ca",
        _WARN,
        "This is the self-signed test CA of the Azure IoT Operations quickstart.",
        "Use a CA of your own in production.",
    )
    CONTENT_TYPE_MISMATCH = (
        "content-type-mismatch",
        _WARN,
        "The secret's content type says something other than the value is.",
        "Set application/pkix-cert, application/pkix-crl or application/x-pem-file, whichever is true.",
    )
    ENCODING_TAG_MISMATCH = (
        "encoding-tag-mismatch",
        _WARN,
        "The tag file-encoding says something other than the value is.",
        "The value was used as it is; az keyvault secret set --file sets the tag that fits its --encoding.",
    )
    # Warnings about the secret.
    TAGS_DROPPED = (
        "tags-dropped",
        _WARN,
        "The newest version has no trustcast tags, so those of an older version still apply.",
        "Set the tags again with trustcast assign.",
    )
    HEAD_DISABLED = (
        "head-disabled",
        _WARN,
        "The newest version is disabled, so an older one stays in force.",
        "Enable the version or upload another.",
    )
    NO_CLUSTER_MATCHES = (
        "no-cluster-matches",
        _WARN,
        "The label selector matches no registered cluster.",
        "Correct the tag trustcast-clusters, or the clusters' labels.",
    )
    UNASSIGNED = (
        "unassigned",
        _WARN,
        "The secret looks like a certificate but goes nowhere.",
        "Assign it with trustcast assign, or set trustcast-lists to none if this is intended.",
    )
    ACCEPTED_RISK = (
        "accepted-risk",
        _WARN,
        "A fault is accepted: the list's policy and the tag trustcast-accept name it, or an operator cleared it.",
        "Replace the certificate when the plant allows, and remove the tag then.",
    )
    CATALOGUE_TAMPERED = (
        "catalogue-tampered",
        _WARN,
        "The catalogue held other bytes than the vault returns for the same version.",
        "The vault's bytes are in force; find out who can write to the storage account.",
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Attributes:
        code: its kind.
        detail: what exactly, safe to show; empty where the code says it all.
        roles: the lists' roles on which it counts; empty means every list.
        file: the file that it is about; empty if about the whole secret.
        insisted: the list's policy makes this warning reject.
        tolerated: the code rejects, and here it only warns.
    """

    code: Code
    detail: str = ""
    roles: tuple[Role, ...] = ()
    file: str = ""
    insisted: bool = False
    tolerated: bool = False

    @property
    def severity(self) -> Severity:
        """The code's severity, unless the list's policy insists or the fault is tolerated here."""
        if self.tolerated:
            return Severity.WARN
        return Severity.REJECT if self.insisted else self.code.severity

    def counts_on(self, role: Role) -> bool:
        """Whether it is about lists of this role."""
        return not self.roles or role in self.roles

    def sentence(self) -> str:
        """What is wrong, what exactly, and what to do about it."""
        exactly = f"{self.code.meaning.removesuffix('.')}: {self.detail}." if self.detail else self.code.meaning
        return f"{exactly} {self.code.remedy}"


OF_TIME = frozenset({Code.EXPIRED, Code.NOT_YET_VALID})
"""Rejections that may end with time; a version that has one is looked at again."""

TIME_ALONE = frozenset({Code.EXPIRED})
"""Rejections caused by time alone: the same version was acceptable before."""


WAIVABLE = frozenset({Code.EXPIRED, Code.WEAK_KEY, Code.WEAK_SIGNATURE})
"""What `trustcast-accept` may waive where the list's policy allows it."""

INSISTABLE = frozenset(
    {
        Code.CA_IN_TRUST_LIST,
        Code.CONTENT_TYPE_MISMATCH,
        Code.CRL_DISTRIBUTION_POINT,
        Code.ENCODING_TAG_MISMATCH,
        Code.NO_APPLICATION_URI,
        Code.QUICKSTART_CA,
    }
)
"""Warnings that a list's policy may turn into rejections: those about one version, found when it is read."""
