//! Every message of version 1 in every state of both ends, in every mode, as the table in `states.txt`.

use core::time::Duration;
use std::sync::Arc;

use mikey_proto::v1::Mode;
use mikey_proto::{AcceptStreams, Endpoint, EndpointConfig, PskTable, Trust};
use mikey_sim::{Datagram, address};
use mikey_wire::DataType;

use crate::matrix::{Arriving, Run, Table, check, spoiled};
use crate::setup::*;

const INITIATOR: [&str; 5] = ["idle", "Sent", "Established", "Updating", "Closed"];
/// Refused: it has told the initiator, who is known, that it will not.
const RESPONDER: [&str; 5] = ["idle", "Refused", "Established", "Updated", "Closed"];
const WITH_RESPONSE: [Mode; 5] = [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR];

fn ends() -> [EndpointConfig; 2] {
    [0, 1].map(|at| config(at, &everything(), 7))
}

/// Bob takes no policy.
fn picky() -> [EndpointConfig; 2] {
    let mut ends = ends();
    ends[1].answer = Arc::new(AcceptStreams { policies: Vec::new() });
    ends
}

fn begins(mut run: Run, mode: Mode) -> Run {
    run.world.act(0, |now, alice: &mut Endpoint| alice.connect_v1(now, address(1), &offer(mode))).unwrap();
    run
}

fn update(run: &mut Run) {
    run.act(0, |now, alice, session| alice.rekey(now, session, false).unwrap());
}

fn in_state(mode: Mode, state: &str) -> Run {
    let mut run = Run::new(if state == "Refused" { picky() } else { ends() });
    if state == "idle" {
        return run;
    }
    run = begins(run, mode);
    if state == "Sent" {
        return run;
    }
    run.wait(1);
    match state {
        "Updating" => update(&mut run),
        "Updated" => {
            update(&mut run);
            run.wait(1);
        }
        "Closed" => {
            for n in 0..2 {
                run.act(n, |now, end, session| end.close(now, session).unwrap());
            }
        }
        _ => (),
    }
    run
}

/// The first and the second datagram of a call between these two.
fn recorded(ends: [EndpointConfig; 2], mode: Mode) -> [Vec<u8>; 2] {
    let mut run = begins(Run::new(ends), mode);
    run.wait(1);
    [0, 1].map(|at| run.world.sent[at].bytes.clone())
}

fn messages(mode: Mode, node: usize) -> Vec<Arriving> {
    let [i, r] = recorded(ends(), mode);
    let mut run = in_state(mode, "Updated");
    let sent = std::mem::take(&mut run.world.sent);
    let [update_i, update_r] = [2, 3].map(|at| sent[at].bytes.clone());
    // A second call of the same two, whose clock shows a second more.
    run.wait(1);
    let mut second = begins(run, mode);
    second.wait(1);
    let [second_i, second_r] = [0, 1].map(|at| second.world.sent[at].bytes.clone());
    let mut early = ends();
    early[0].unix_time_at_zero = Some(NOW - Duration::from_secs(3600));
    let [old_i, _] = recorded(early, mode);
    let mut late = ends();
    late[1].unix_time_at_zero = Some(NOW + Duration::from_secs(3600));
    let [_, error] = recorded(late, mode);
    let [_, refused] = recorded(picky(), mode);
    let mut strangers = ends();
    (strangers[0].psks, strangers[1].psks) = (Arc::new(other_psks()), Arc::new(psk()));
    strangers[1].trust = Trust::none();
    let [strangers_i, _] = recorded(strangers, mode);
    for (at, error) in [&error, &refused].into_iter().enumerate() {
        assert_eq!(DataType(error[1]), DataType::ERROR, "{mode:?} {at}");
    }
    let other = if mode == Mode::DhHmac { Mode::Psk } else { Mode::DhHmac };
    let [others_i, others_r] = recorded(ends(), other);
    let from = u8::try_from(1 - node).unwrap();
    let all = [
        ("I", i.clone()),
        ("I, another MAC or signature", spoiled(&i)),
        ("I, an hour old", old_i),
        ("I of a second call", second_i),
        ("I of a stranger", strangers_i),
        ("I of another mode", others_i),
        ("I, cut", i[..i.len() - 1].to_vec()),
        ("R", r.clone()),
        ("R, another MAC or signature", spoiled(&r)),
        ("R of a second call", second_r),
        ("R of another mode", others_r),
        ("update I", update_i.clone()),
        ("update I, another MAC or signature", spoiled(&update_i)),
        ("update R", update_r),
        ("ERROR, unauthenticated", error),
        ("ERROR, authenticated", refused.clone()),
        ("ERROR, authenticated, another MAC", spoiled(&refused)),
    ];
    all.into_iter().map(|(what, bytes)| Arriving { what: what.into(), from, bytes }).collect()
}

fn other_psks() -> PskTable {
    let mut table = PskTable::new();
    let [a, b] = [ALICE, BOB].map(|name| mikey_proto::Name::parse(name).unwrap());
    table.insert(a, b, mikey_crypto::SecretBytes::copy_from(&[1; 32])).unwrap();
    table
}

/// Signatures and envelopes draw on randomness that is not seeded: two runs have types and lengths in common.
fn outline(datagram: &Datagram) -> Vec<u8> {
    format!("{} {} {} {}", datagram.from, datagram.to, datagram.bytes[1], datagram.bytes.len()).into_bytes()
}

#[test]
fn every_message_in_every_state_does_what_the_table_says() {
    let mut out = String::new();
    for mode in WITH_RESPONSE {
        for (node, role, states) in [(0, "Initiator", &INITIATOR), (1, "Responder", &RESPONDER)] {
            let (title, messages) = (format!("{role}, {mode:?}"), messages(mode, node));
            let build = |state: &str| in_state(mode, state);
            Table { title: &title, node, states, messages: &messages, build: &build, looks: outline }
                .write(&mut out);
        }
    }
    check("v1/states.txt", include_str!("states.txt"), &out);
}
