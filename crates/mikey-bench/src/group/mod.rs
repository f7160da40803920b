//! Groups: joins next to their public-key operations, rekeys of large groups, what a member costs.
//!
//! Times are the controller's alone: members are in the same process, and their work is left out.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, SecretBytes, Signer};
use mikey_group::{Applied, Batch, Controller, GroupConfig, Join, Member, MemberRef, Timing};
use mikey_proto::{GroupRequest, GroupRoles, GroupStream, Name, Time};
use rcgen::KeyPair;

use crate::Result;
use crate::measure::{Case, Contestant, Role, now, resident};

mod join;

/// What the case of a million members is called before it is measured.
pub(crate) const MILLION: &str = "1,000,000 members";

const LISTEN: GroupRoles = GroupRoles { sends: false, receives: true };

/// All cases of the bench but that of a million members.
pub(crate) fn cases() -> Result<Vec<Case<'static>>> {
    Ok(vec![join::case()?, leave()?, batch()?, pull()?])
}

fn name(n: usize) -> Result<Name> {
    Ok(Name::parse(&format!("sip:{n}@example.com"))?)
}

fn listener(n: usize) -> Result<Join> {
    Ok(Join { name: name(n)?, roles: LISTEN, ssrcs: 0, contact: vec![0; 18] })
}

fn member(n: usize) -> Result<MemberRef> {
    Ok(MemberRef { name: name(n)?, since: None })
}

fn signer(provider: &CryptoProvider) -> Result<Arc<dyn Signer>> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    Ok((provider.load_signer)(&key.serialize_der()).map_err(|e| e.to_string())?.into())
}

fn empty(provider: &CryptoProvider) -> Result<Controller> {
    let signer = signer(provider)?;
    let sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AEAD_AES_128_GCM }];
    let first = Controller::create(provider, &GroupConfig::new(b"bench", sessions), &*signer)?;
    let records = [(first.seq, first.record.expose())];
    Ok(Controller::open(provider.clone(), None, records, |_| Some(signer))?)
}

/// A controller with `count` members, numbered from 0.
fn crowd(provider: &CryptoProvider, count: usize) -> Result<Controller> {
    let mut controller = empty(provider)?;
    let mut next = 0;
    while next < count {
        let joins = (next..count.min(next + 4096)).map(listener).collect::<Result<Vec<_>>>()?;
        next += joins.len();
        enter(provider, &mut controller, joins)?;
    }
    Ok(controller)
}

/// Lets members in whose sessions are left out.
fn enter(provider: &CryptoProvider, controller: &mut Controller, joins: Vec<Join>) -> Result<()> {
    let keys = joins
        .iter()
        .map(|_| {
            let mut key = SecretBytes::zeroed(32);
            provider.random.fill(key.expose_mut())?;
            Ok(key)
        })
        .collect::<std::result::Result<Vec<_>, mikey_crypto::RandomFailed>>()
        .map_err(|e| e.to_string())?;
    let proposal = controller.draft(&Batch { joins, ..Batch::default() })?.finish(keys)?;
    controller.apply(proposal.seq, proposal.record.expose())?;
    Ok(())
}

/// Proposes and applies: what the controller computes for a change, without its store.
fn change(controller: &mut Controller, batch: &Batch) -> Result<Applied> {
    let proposal = controller.propose(batch)?;
    Ok(controller.apply(proposal.seq, proposal.record.expose())?)
}

fn octets(applied: &Applied) -> usize {
    applied.messages.iter().map(Vec::len).sum()
}

fn keys(applied: &Applied) -> Result<usize> {
    let mut keys = 0;
    for message in &applied.messages {
        keys += mikey_wire::v2::GroupRekey::decode(message).map_err(|e| e.to_string())?.nodes.len();
    }
    Ok(keys)
}

/// Numbers below `count`, spread over them.
fn spread(at: usize, count: usize) -> usize {
    at.wrapping_mul(0x9E37_79B1) % count
}

/// One member of 100,000 leaves.
fn leave() -> Result<Case<'static>> {
    const COUNT: usize = 100_000;
    let provider = mikey_crypto_aws_lc::provider();
    let mut controller = crowd(&provider, COUNT)?;
    let mut most = (0, 0);
    for at in 0..64 {
        let leaver = spread(at, COUNT);
        let leaves = vec![member(leaver)?];
        let applied = change(&mut controller, &Batch { leaves, ..Batch::default() })?;
        most = (most.0.max(keys(&applied)?), most.1.max(octets(&applied)));
        enter(&provider, &mut controller, vec![listener(leaver)?])?;
    }
    let name = format!("1 of 100,000 leaves: at most {} wrapped keys, {} octets", most.0, most.1);
    let mut at = 0;
    let contestant = Contestant::elsewhere("propose, sign, apply", Role::Ours, move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            at += 1;
            let leaver = spread(at, COUNT);
            let batch = Batch { leaves: vec![member(leaver)?], ..Batch::default() };
            let start = now();
            black_box(change(&mut controller, &batch)?);
            took += now().saturating_sub(start);
            enter(&provider, &mut controller, vec![listener(leaver)?])?;
        }
        Ok(took)
    });
    Ok(Case { name, size: 0, contestants: vec![contestant] })
}

/// A thousand members of 100,000 leave: at once, and one after the other. Times are of one leave.
fn batch() -> Result<Case<'static>> {
    const COUNT: usize = 100_000;
    const LEAVES: usize = 1000;
    let provider = mikey_crypto_aws_lc::provider();
    let mut together = crowd(&provider, COUNT)?;
    let mut single = crowd(&provider, COUNT)?;
    let leavers: Vec<usize> = (0..LEAVES).map(|at| spread(at, COUNT)).collect();
    let leaves = leavers.iter().map(|n| member(*n)).collect::<Result<Vec<_>>>()?;
    let back = || leavers.iter().map(|n| listener(*n)).collect::<Result<Vec<_>>>();
    let applied = change(&mut together, &Batch { leaves: leaves.clone(), ..Batch::default() })?;
    let (many, length) = (keys(&applied)?, octets(&applied));
    enter(&provider, &mut together, back()?)?;
    let (mut one_by_one, mut lengths) = (0, 0);
    for leaver in &leaves {
        let applied = change(&mut single, &Batch { leaves: vec![leaver.clone()], ..Batch::default() })?;
        one_by_one += keys(&applied)?;
        lengths += octets(&applied);
    }
    enter(&provider, &mut single, back()?)?;
    let name = format!(
        "1,000 of 100,000 leave: at once {many} keys, {length} octets; one by one {one_by_one} keys, {lengths} octets"
    );
    let all = leaves.clone();
    let returning = back()?;
    let source = provider.clone();
    let at_once = Contestant::elsewhere("at once, each", Role::Ours, move |times| {
        let mut took = Duration::ZERO;
        let each = u64::try_from(LEAVES)?;
        for _ in 0..times.div_ceil(each) {
            let batch = Batch { leaves: all.clone(), ..Batch::default() };
            let start = now();
            black_box(change(&mut together, &batch)?);
            took += now().saturating_sub(start);
            enter(&source, &mut together, returning.clone())?;
        }
        // As many as were asked for.
        Ok(took.mul_f64(times as f64 / (times.div_ceil(each) * each) as f64))
    });
    let mut at = 0;
    let one = Contestant::elsewhere("one by one, each", Role::Peer, move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            at += 1;
            let leaver = spread(at, COUNT);
            let batch = Batch { leaves: vec![member(leaver)?], ..Batch::default() };
            let start = now();
            black_box(change(&mut single, &batch)?);
            took += now().saturating_sub(start);
            enter(&provider, &mut single, vec![listener(leaver)?])?;
        }
        Ok(took)
    });
    Ok(Case { name, size: 0, contestants: vec![at_once, one] })
}

/// Catching up with one question, however much was missed: the controller's grant, and what the member makes of it.
fn pull() -> Result<Case<'static>> {
    let provider = mikey_crypto_aws_lc::provider();
    let mut controller = crowd(&provider, 100_000)?;
    let request = GroupRequest { group: b"bench".to_vec(), roles: LISTEN, ssrcs: 0 };
    let mut key = SecretBytes::zeroed(32);
    provider.random.fill(key.expose_mut()).map_err(|e| e.to_string())?;
    let copy = SecretBytes::copy_from(key.expose());
    let draft = controller.draft(&Batch { joins: vec![listener(100_000)?], ..Batch::default() })?;
    let grant = draft.grant(0).ok_or("no grant")?;
    let proposal = draft.finish(vec![key])?;
    let timing = Timing::default();
    let mut ours = Member::join(&provider, Time::ZERO, request, grant, copy, timing)?;
    controller.apply(proposal.seq, proposal.record.expose())?;
    // Ten minutes with a change a second.
    for n in 0..600 {
        let leaves = vec![member(spread(n, 100_000))?];
        change(&mut controller, &Batch { leaves, ..Batch::default() })?;
    }
    let me = member(100_000)?;
    let contestant = Contestant::new("grant and take it, both sides", Role::Ours, move || {
        ours.handle_grant(Time::ZERO, controller.pull(&me)?)?;
        while ours.poll_event().is_some() {}
        Ok(())
    });
    let name = "catch-up after 600 missed rekeys, in one round trip".into();
    Ok(Case { name, size: 0, contestants: vec![contestant] })
}

/// A million members: what one takes, and a rekey of them all.
pub(crate) fn million() -> Result<Case<'static>> {
    const COUNT: usize = 1_000_000;
    let provider = mikey_crypto_aws_lc::provider();
    let before = resident()?;
    let mut controller = crowd(&provider, COUNT)?;
    let each = resident()?.saturating_sub(before) / u64::try_from(COUNT)?;
    let name = format!("{MILLION}, {each} octets each; one leaves");
    let mut at = 0;
    let contestant = Contestant::elsewhere("propose, sign, apply", Role::Ours, move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            at += 1;
            let leaver = spread(at, COUNT);
            let batch = Batch { leaves: vec![member(leaver)?], ..Batch::default() };
            let start = now();
            black_box(change(&mut controller, &batch)?);
            took += now().saturating_sub(start);
            enter(&provider, &mut controller, vec![listener(leaver)?])?;
        }
        Ok(took)
    });
    Ok(Case { name, size: 0, contestants: vec![contestant] })
}
