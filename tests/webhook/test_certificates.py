"""Certificates are made right, judged right, and replaced without anybody noticing."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.certificates import (
    AUTHORITY_LIFE,
    LEAF_LIFE,
    OVERLAP,
    Keyring,
    make_authority,
    make_leaf,
    parse_bundle,
    renew_authority,
    why_distrusted,
    why_renew_authority,
    why_renew_leaf,
)
from webhook.tls import load

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ["seldon-webhook-service.seldon-system.svc", "seldon-webhook-service"]
DAY = timedelta(days=1)


def fresh(now: datetime = NOW) -> Keyring:
    return Keyring(make_authority(now))


def test_a_keyring_survives_its_secret() -> None:
    keyring = renew_authority([make_authority(NOW - DAY).certificate], NOW)
    again = Keyring.from_data(keyring.to_data())
    assert again.authority.certificate == keyring.authority.certificate
    assert again.previous == keyring.previous
    assert again.to_data() == keyring.to_data()
    assert set(keyring.to_data()) == {"ca.crt", "tls.crt", "tls.key"}


def damaged(**changes: bytes) -> dict[str, bytes]:
    return fresh().to_data() | {name.replace("_", "."): value for name, value in changes.items()}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param({}, "tls.crt is missing", id="empty"),
        pytest.param(damaged(tls_key=b""), "tls.key is missing", id="no key"),
        pytest.param(damaged(tls_key=b"x"), "not a private key", id="garbage as key"),
        pytest.param(damaged(tls_crt=b"x"), "no certificate in PEM", id="garbage as certificate"),
        pytest.param(damaged(ca_crt=b"x"), "no certificate in PEM", id="garbage as bundle"),
        pytest.param(damaged(tls_key=fresh().to_data()["tls.key"]), "does not belong to", id="another key"),
    ],
)
def test_a_secret_that_cannot_be_used_says_why(data: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Keyring.from_data(data)


def test_a_serving_certificate_is_no_authority() -> None:
    keyring = fresh()
    leaf = make_leaf(keyring.authority, NAMES, NOW)
    key, certificate = leaf.pem().split(b"-----BEGIN CERTIFICATE-----")
    data = {"tls.key": key, "tls.crt": b"-----BEGIN CERTIFICATE-----" + certificate, "ca.crt": keyring.bundle(NOW)}
    with pytest.raises(ValueError, match="not a certificate authority"):
        Keyring.from_data(data)


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        pytest.param(-8 * DAY, "not valid before", id="from the future"),
        pytest.param(timedelta(0), None, id="new"),
        pytest.param(AUTHORITY_LIFE * 0.66, None, id="before two thirds"),
        pytest.param(AUTHORITY_LIFE * 0.67, "two thirds", id="after two thirds"),
        pytest.param(AUTHORITY_LIFE, "expired on 2027-03-01", id="at the end"),
    ],
)
def test_when_an_authority_is_renewed(age: timedelta, reason: str | None) -> None:
    told = why_renew_authority(make_authority(NOW).certificate, NOW + age)
    assert (told is None) if reason is None else (told is not None and reason in told)


def test_when_a_serving_certificate_is_renewed() -> None:
    authority = make_authority(NOW)
    leaf = make_leaf(authority, NAMES, NOW)
    certificate = authority.certificate
    assert why_renew_leaf(None, certificate, NAMES, NOW) == "there is none yet"
    assert why_renew_leaf(leaf, certificate, NAMES, NOW) is None
    assert why_renew_leaf(leaf, certificate, NAMES, NOW + LEAF_LIFE * 0.65) is None
    assert "two thirds" in str(why_renew_leaf(leaf, certificate, NAMES, NOW + LEAF_LIFE * 0.68))
    assert "replaced" in str(why_renew_leaf(leaf, make_authority(NOW).certificate, NAMES, NOW))
    assert "not for other.svc" in str(why_renew_leaf(leaf, certificate, ["other.svc"], NOW))


def test_a_serving_certificate_ends_no_later_than_its_authority() -> None:
    authority = make_authority(NOW)
    late = NOW + AUTHORITY_LIFE - DAY
    certificate = make_leaf(authority, NAMES, late).certificate
    assert certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_trust_is_what_a_client_would_say() -> None:
    keyring, other = fresh(), fresh()
    leaf = make_leaf(keyring.authority, NAMES, NOW)
    bundle = keyring.bundle(NOW)
    assert why_distrusted(leaf, NAMES[0], bundle, NOW) is None
    assert why_distrusted(leaf, NAMES[0], other.bundle(NOW) + bundle, NOW) is None
    assert why_distrusted(leaf, NAMES[0], b"", NOW) == "it is empty"
    assert "no certificate" in str(why_distrusted(leaf, NAMES[0], b"x", NOW))
    assert "does not trust" in str(why_distrusted(leaf, NAMES[0], other.bundle(NOW), NOW))
    assert "does not trust" in str(why_distrusted(leaf, "other.svc", bundle, NOW))
    assert "does not trust" in str(why_distrusted(leaf, NAMES[0], bundle, NOW + LEAF_LIFE + DAY))
    assert "does not trust" in str(why_distrusted(leaf, NAMES[0], bundle, NOW - 8 * DAY))


def handshake(server: ssl.SSLContext, bundle: bytes, name: str) -> None:
    """Shake hands in memory, as OpenSSL does on both sides."""
    client = ssl.create_default_context(cadata=bundle.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    c_in, c_out, s_in, s_out = (ssl.MemoryBIO() for _ in range(4))
    sides = [client.wrap_bio(c_in, c_out, server_hostname=name), server.wrap_bio(s_in, s_out, server_side=True)]
    done = [False, False]
    while not all(done):
        for index, side in enumerate(sides):
            try:
                side.do_handshake()
                done[index] = True
            except ssl.SSLWantReadError:
                pass
            s_in.write(c_out.read())
            c_in.write(s_out.read())


@pytest.mark.parametrize("name", NAMES)
def test_openssl_accepts_the_certificate_also_by_its_strict_rules(name: str) -> None:
    now = datetime.now(UTC)
    keyring = renew_authority([make_authority(now - DAY).certificate], now)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(server, make_leaf(keyring.authority, NAMES, now))
    handshake(server, keyring.bundle(now), name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, keyring.bundle(now), "elsewhere")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, fresh(now).bundle(now), name)


def test_a_context_in_use_takes_another_certificate() -> None:
    now = datetime.now(UTC)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for _ in range(3):
        keyring = fresh(now)
        load(server, make_leaf(keyring.authority, NAMES, now))
        handshake(server, keyring.bundle(now), NAMES[0])


def test_authorities_of_others_are_not_taken_along() -> None:
    ours = make_authority(NOW - DAY).certificate
    leaf = make_leaf(make_authority(NOW - DAY), NAMES, NOW).certificate
    stranger = make_authority(NOW - DAY)
    foreign = (
        x509.CertificateBuilder(
            subject_name=x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "stranger")]),
            issuer_name=x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "stranger")]),
            public_key=stranger.key.public_key(),
            serial_number=7,
            not_valid_before=NOW - DAY,
            not_valid_after=NOW + DAY,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(stranger.key, x509.base.hashes.SHA256())
    )
    keyring = renew_authority([ours, leaf, foreign, ours], NOW)
    assert keyring.previous == (ours,)


def test_a_replaced_authority_stays_trusted_for_as_long_as_it_may_be_in_use() -> None:
    old = make_authority(NOW - 200 * DAY).certificate
    keyring = renew_authority([old], NOW)
    assert old in parse_bundle(keyring.bundle(NOW))
    assert old in parse_bundle(keyring.bundle(NOW + OVERLAP - DAY / 2))
    assert old not in parse_bundle(keyring.bundle(NOW + OVERLAP))


def test_an_expired_authority_leaves_the_bundle() -> None:
    old = make_authority(NOW - AUTHORITY_LIFE + DAY).certificate
    keyring = renew_authority([old], NOW)
    assert old in parse_bundle(keyring.bundle(NOW))
    assert old not in parse_bundle(keyring.bundle(NOW + DAY))


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["renew", "lose", "wait"]), max_size=8))
def test_certificates_in_use_stay_trusted_through_any_rotations(events: list[str]) -> None:
    """Two replicas, of which one looks only once a day, whatever happens to the Secret."""
    now = NOW
    keyring = fresh(now)
    quick = slow = make_leaf(keyring.authority, NAMES, now)
    for event in events:
        if event == "renew":
            keyring = renew_authority([keyring.authority.certificate, *keyring.previous], now)
        elif event == "lose":
            keyring = renew_authority(parse_bundle(keyring.bundle(now)), now)
        for leaf in (quick, slow):
            assert why_distrusted(leaf, NAMES[0], keyring.bundle(now), now) is None
        if why_renew_leaf(quick, keyring.authority.certificate, NAMES, now):
            quick = make_leaf(keyring.authority, NAMES, now)
        now += DAY
        if why_renew_leaf(slow, keyring.authority.certificate, NAMES, now):
            slow = make_leaf(keyring.authority, NAMES, now)
        for leaf in (quick, slow):
            assert why_distrusted(leaf, NAMES[0], keyring.bundle(now), now) is None
