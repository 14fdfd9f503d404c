"""Certificates: made, judged and bundled. Pure; the time is always an argument.

One authority signs the serving certificates of all replicas. It is kept in a Secret together with the authorities
before it, which stay trusted until nothing that they signed can be in use any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

AUTHORITY_LIFE = timedelta(days=365)
LEAF_LIFE = timedelta(days=7)
# Certificates are valid from well before they are made: clocks differ, and jump when a machine was suspended.
BACKDATE = timedelta(days=7)
# A replaced authority stays trusted for as long as a certificate of it can live, and a day for those who are slow.
OVERLAP = LEAF_LIFE + timedelta(days=1)

_AUTHORITY_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seldon-webhook-ca")])
_KEY_FILE, _CERTIFICATE_FILE, _BUNDLE_FILE = "tls.key", "tls.crt", "ca.crt"

# Go, which the API server is written in, asks for a name and leaves other extensions to those who sign.
_ANY = ExtensionPolicy.permit_all()
_CA = _ANY.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
_NAMED = _ANY.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)

PrivateKey = ec.EllipticCurvePrivateKey
Certificate = x509.Certificate


@dataclass(frozen=True)
class Authority:
    """A certificate authority: its certificate and its key."""

    certificate: Certificate
    key: PrivateKey


@dataclass(frozen=True)
class Leaf:
    """A serving certificate, its key, the authority that it comes from, and any certificates between the two."""

    certificate: Certificate
    key: CertificateIssuerPrivateKeyTypes
    issuer: Certificate
    between: tuple[Certificate, ...] = ()

    def pem(self) -> bytes:
        """Return key and certificates in the form that an SSLContext loads."""
        return _key_pem(self.key) + bundle_of([self.certificate, *self.between])


@dataclass(frozen=True)
class Keyring:
    """What the Secret holds: the authority that signs now, and those before it, newest first."""

    authority: Authority
    previous: tuple[Certificate, ...] = ()

    def bundle(self, now: datetime) -> bytes:
        """Return the certificates to trust, as PEM; those that no certificate in use can come from are left out."""
        return bundle_of([self.authority.certificate, *_still_needed(self.authority.certificate, self.previous, now)])

    def to_data(self) -> dict[str, bytes]:
        """Return the data of the Secret."""
        certificate = self.authority.certificate
        return {
            _CERTIFICATE_FILE: bundle_of([certificate]),
            _KEY_FILE: _key_pem(self.authority.key),
            _BUNDLE_FILE: bundle_of([certificate, *self.previous]),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, bytes]) -> "Keyring":
        """Read the data of the Secret.

        Raises:
            ValueError: it cannot be used; the message says why.
        """
        (certificate, *_), key, bundle = _parse_files(data)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{_KEY_FILE} is not a key that was made here")
        if not _is_authority(certificate):
            raise ValueError(f"{_CERTIFICATE_FILE} is not a certificate authority")
        previous = [other for other in bundle if other != certificate]
        return cls(Authority(certificate, key), _newest_first(previous))


def make_authority(now: datetime) -> Authority:
    """Make a new certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_AUTHORITY_NAME)
        .issuer_name(_AUTHORITY_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def renew_authority(known: Iterable[Certificate], now: datetime) -> Keyring:
    """Make a new authority that the given ones stay trusted beside for a while.

    Args:
        known: authorities that serving certificates in use may come from; others among them are left out.
        now: the time.
    """
    authority = make_authority(now)
    ours = [certificate for certificate in set(known) if _is_authority(certificate)]
    return Keyring(authority, _still_needed(authority.certificate, _newest_first(ours), now))


def make_leaf(authority: Authority, names: Sequence[str], now: datetime) -> Leaf:
    """Make a serving certificate with a new key.

    Args:
        authority: who signs it.
        names: the DNS names it is for, the first of which is its common name too.
        now: the time.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(now + LEAF_LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Leaf(certificate, key, issuer)


def parse_leaf(data: Mapping[str, bytes]) -> tuple[Leaf, list[Certificate]]:
    """Read a serving certificate that somebody else made.

    Args:
        data: the data of its Secret: tls.crt with the certificate and those between it and the authority, tls.key, and
            ca.crt with the authorities to trust, as cert-manager writes them.

    Returns:
        The certificate, and the authorities.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    (certificate, *between), key, trusted = _parse_files(data)
    issuer = next((each for each in trusted if each.subject == (between or [certificate])[-1].issuer), trusted[0])
    return Leaf(certificate, key, issuer, tuple(between)), trusted


def why_renew_authority(certificate: Certificate, now: datetime) -> str | None:
    """Say why an authority has to be renewed: at two thirds of its life, or when it is not valid at all.

    Returns:
        The reason, or None if it is good for now.
    """
    return _why_renew(certificate, AUTHORITY_LIFE, now)


def _why_renew(certificate: Certificate, life: timedelta, now: datetime) -> str | None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return f"it is not valid before {begin:%Y-%m-%d %H:%M:%S}, and it is {now:%Y-%m-%d %H:%M:%S}"
    if now >= end:
        return f"it expired on {end:%Y-%m-%d %H:%M:%S}"
    if now >= end - life / 3:
        return f"two thirds of its life are over, it expires on {end:%Y-%m-%d %H:%M:%S}"
    return None


def why_renew_leaf(leaf: Leaf | None, authority: Certificate, names: Sequence[str], now: datetime) -> str | None:
    """Say why this replica needs another serving certificate.

    Args:
        leaf: the one it has, if any.
        authority: the one that signs now.
        names: the DNS names it must be for.
        now: the time.

    Returns:
        The reason, or None if it is good for now.
    """
    if leaf is None:
        return "there is none yet"
    if leaf.issuer != authority:
        return "it was signed by an authority that has been replaced"
    present = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if set(present.get_values_for_type(x509.DNSName)) != set(names):
        return f"it is not for {', '.join(names)}"
    return _why_renew(leaf.certificate, LEAF_LIFE, now)


def why_distrusted(leaf: Leaf, name: str, bundle: bytes, now: datetime) -> str | None:
    """Say why a client that trusts `bundle` and connects to `name` would refuse this serving certificate.

    Returns:
        The reason, or None if the client would accept it.
    """
    if not bundle:
        return "it is empty"
    try:
        store = Store(parse_bundle(bundle))
        policy = PolicyBuilder().store(store).time(now).extension_policies(ca_policy=_CA, ee_policy=_NAMED)
        policy.build_server_verifier(x509.DNSName(name)).verify(leaf.certificate, list(leaf.between))
    except ValueError as error:
        return str(error)
    except VerificationError as error:
        return f"it does not trust this replica's certificate: {error}"
    return None


def parse_bundle(pem: bytes) -> list[Certificate]:
    """Read one or more certificates.

    Raises:
        ValueError: there is none, or one cannot be read.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ValueError("it holds no certificate in PEM") from error


def _parse_files(
    data: Mapping[str, bytes],
) -> tuple[list[Certificate], CertificateIssuerPrivateKeyTypes, list[Certificate]]:
    """Read the three files of a Secret of type kubernetes.io/tls."""
    for name in (_CERTIFICATE_FILE, _KEY_FILE, _BUNDLE_FILE):
        if not data.get(name):
            raise ValueError(f"{name} is missing")
    certificates = parse_bundle(data[_CERTIFICATE_FILE])
    try:
        key: PrivateKeyTypes = serialization.load_pem_private_key(data[_KEY_FILE], password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{_KEY_FILE} is not a private key in PEM without a password") from error
    if not isinstance(key, get_args(CertificateIssuerPrivateKeyTypes)):
        raise ValueError(f"{_KEY_FILE} is not a key that can sign")
    if key.public_key() != certificates[0].public_key():
        raise ValueError(f"{_KEY_FILE} does not belong to {_CERTIFICATE_FILE}")
    return certificates, key, parse_bundle(data[_BUNDLE_FILE])


def _still_needed(newest: Certificate, previous: Sequence[Certificate], now: datetime) -> tuple[Certificate, ...]:
    """Return those of `previous`, newest first, that a certificate in use may still come from."""
    needed = []
    successor = newest
    for certificate in previous:
        replaced = successor.not_valid_before_utc + BACKDATE
        if now < min(replaced + OVERLAP, certificate.not_valid_after_utc):
            needed.append(certificate)
        successor = certificate
    return tuple(needed)


def _newest_first(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple(sorted(certificates, key=lambda each: (each.not_valid_before_utc, each.serial_number), reverse=True))


def _is_authority(certificate: Certificate) -> bool:
    """Say whether this is an authority that a process like this one made."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(certificate)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return constraints.ca and certificate.subject == _AUTHORITY_NAME


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def bundle_of(certificates: Iterable[Certificate]) -> bytes:
    """Return certificates one after the other, as PEM."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def _key_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
