//! The certificate vectors that TypeScript reads too: both languages agree on every one, result and reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kx::certificate::{CertificateError, Purpose, verify};
use serde_json::Value;

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn purpose(name: &str) -> Purpose {
    match name {
        "dht" => Purpose::Dht,
        "kx-link" => Purpose::Link,
        "kx-hop" => Purpose::Hop,
        other => panic!("purpose {other}"),
    }
}

fn code(error: CertificateError) -> &'static str {
    match error {
        CertificateError::Malformed => "certificate-malformed",
        CertificateError::Purpose => "certificate-purpose",
        CertificateError::Expired => "certificate-expired",
        CertificateError::Work => "certificate-work",
        CertificateError::Signature => "certificate-signature",
        _ => "another",
    }
}

#[test]
fn every_vector_has_its_result_and_reason() {
    let file: Value = serde_json::from_str(include_str!("../../../test/vectors/certificates.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 36);
    for vector in vectors {
        let comment = text(vector, "comment");
        let bytes = hex::decode(text(vector, "certificate")).unwrap();
        let now = vector["nowSeconds"].as_u64().unwrap();
        match verify(&bytes, purpose(text(vector, "purpose")), now) {
            Ok(certified) => {
                assert_eq!(text(vector, "result"), "ok", "{comment}");
                assert_eq!(hex::encode(certified.identity), text(vector, "identity"), "{comment}");
                assert_eq!(hex::encode(certified.key), text(vector, "key"), "{comment}");
            }
            Err(error) => assert_eq!(code(error), text(vector, "result"), "{comment}"),
        }
    }
}
