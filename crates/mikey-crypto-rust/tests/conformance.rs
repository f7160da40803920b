//! The provider against the known answers and refusals for all providers.

use mikey_crypto::conformance;

#[test]
fn the_provider_conforms() {
    let report = conformance::run(&mikey_crypto_rust::provider());
    assert_eq!(report.failures, [""; 0]);
    assert!(report.checks > 500, "only {} checks", report.checks);
}

#[test]
fn the_provider_has_everything_of_the_specification() {
    let provider = mikey_crypto_rust::provider();
    let ids = |mut ids: Vec<u8>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(provider.prfs.iter().map(|p| p.id.0).collect()), [1, 2]);
    assert_eq!(ids(provider.groups.iter().map(|g| g.id().0).collect()), [14, 15, 19, 20, 31, 236]);
    assert_eq!(ids(provider.suites.iter().map(|s| s.id.0).collect()), [1, 2, 3, 4, 5]);
    assert_eq!(ids(provider.signatures.iter().map(|s| s.method().0).collect()), [1, 2, 3, 4]);
}
