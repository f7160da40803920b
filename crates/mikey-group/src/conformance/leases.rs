//! Leases. How they run out is a matter of clocks, so what a store's own clock does is left to its own tests.

use std::time::Duration;

use mikey_proto::Time;

use super::{Names, Report};
use crate::{Lease, Store};

const TTL: Duration = Duration::from_secs(60);

pub(super) fn run(checks: &mut Report, names: &Names, one: &mut dyn Store, two: &mut dyn Store) {
    let now = Time::from_secs(1);
    let name = names.lease("leader");
    let Ok(first) = one.lease(now, &name, "one", TTL) else {
        return checks.that("a lease is given", false);
    };
    checks.that("to who asks", first.holder == "one" && first.name == name);
    checks.equal("who has it renews it", &one.lease(now, &name, "one", TTL), &Ok(first.clone()));
    checks.equal("it is told who has it", &two.lease(now, &name, "two", TTL), &Ok(first.clone()));
    checks.equal("it is listed", &two.leases(now, &name), &Ok(vec![first.clone()]));
    checks.equal("only its holder gives it back", &two.release(&name, "two"), &Ok(()));
    checks.equal("so it is still held", &two.lease(now, &name, "two", TTL), &Ok(first.clone()));
    checks.equal("its holder gives it back", &one.release(&name, "one"), &Ok(()));
    checks.equal("it is listed no more", &two.leases(now, &name), &Ok(vec![]));
    let second = two.lease(now, &name, "two", TTL);
    let fenced = |second: &Lease| second.holder == "two" && second.token > first.token;
    checks.that("the next holder has a higher token", second.as_ref().is_ok_and(fenced));
    checks.equal("and the first is told so", &one.lease(now, &name, "one", TTL), &second);

    let others = names.lease("live/");
    for who in ["b", "a"] {
        checks.that("a lease for each", one.lease(now, &format!("{others}{who}"), who, TTL).is_ok());
    }
    let live = two.leases(now, &others).unwrap_or_default();
    let holders: Vec<_> = live.iter().map(|lease| lease.holder.as_str()).collect();
    checks.equal("listed by prefix and in order", &holders, &vec!["a", "b"]);
    for lease in live {
        checks.equal("given back", &one.release(&lease.name, &lease.holder), &Ok(()));
    }
    checks.equal("given back", &two.release(&name, "two"), &Ok(()));
}
