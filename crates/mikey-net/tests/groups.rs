//! A group on real sockets: a controller's service with its store, and members with media.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mikey::group::{
    AccessTable, Append, Controller, GroupConfig, GroupName, MemoryStore, Rule, Service, ServiceConfig,
    Store, Timing, Who,
};
use mikey::keying::{GroupRequest, GroupRoles, GroupStream, PskTable};
use mikey::{Agent, AgentEvent, EndpointConfig, GroupHandle, Identity, Kind, Name, SrtpPolicy};
use mikey_crypto::{SecretBytes, Signer};
use mikey_net::{Audience, Clock, Driver, GroupNews, Happening, Socket};

const NEWS: &[u8] = b"news";
const BOTH: GroupRoles = GroupRoles { sends: true, receives: true };

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn controller_name() -> Name {
    name("sip:gc@example.com")
}

fn member_name(n: u8) -> Name {
    name(&format!("sip:{n}@example.com"))
}

fn driver(own: Name, peers: &[Name], groups: bool) -> Driver {
    let clock = Clock::start();
    let mut psks = PskTable::new();
    for peer in peers {
        psks.insert(own.clone(), peer.clone(), SecretBytes::copy_from(&[7; 32])).unwrap();
    }
    let mut config = EndpointConfig::new(mikey_crypto_aws_lc::provider(), Identity::new(own));
    config.psks = Arc::new(psks);
    config.unix_time_at_zero = Some(clock.unix_time_at_zero());
    config.request_lifetime = Duration::from_secs(2);
    config.serves_groups = groups;
    if !groups {
        config.controllers = vec![(NEWS.to_vec(), controller_name())];
    }
    let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let agent = Agent::new(config, socket.local_addr()).unwrap();
    Driver::new(socket, clock, agent)
}

fn signer() -> Arc<dyn Signer> {
    let (_, pkcs8) =
        mikey_sim::Ca::new("ca").issue("sip:key@example.com", mikey_sim::KeyKind::Ed25519, |_| ());
    (mikey_crypto_aws_lc::provider().load_signer)(&pkcs8).unwrap().into()
}

/// A controller of one group in a memory store, which `run` serves.
struct Desk {
    driver: Driver,
    store: MemoryStore,
    group: GroupName,
    changes: Vec<(u32, Vec<Name>, Vec<Name>)>,
}

impl Desk {
    fn new() -> Self {
        let (provider, signer) = (mikey_crypto_aws_lc::provider(), signer());
        let sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AEAD_AES_128_GCM }];
        let first = Controller::create(&provider, &GroupConfig::new(NEWS, sessions), &*signer).unwrap();
        let (mut store, group) = (MemoryStore::new(), GroupName::new(NEWS).unwrap());
        let append = Append { group: &group, seq: first.seq, record: first.record.expose() };
        store.append(&[append]).pop().unwrap().unwrap();
        let controller =
            Controller::open(provider, None, [(1, first.record.expose())], |_| Some(signer)).unwrap();
        let mut access = AccessTable::new();
        access.allow(NEWS, Rule { who: Who::Realm("example.com".into()), roles: BOTH, ssrcs: 1 });
        let config = ServiceConfig { gather: Duration::from_millis(20), ..ServiceConfig::default() };
        let mut service = Service::new(config, Arc::new(access));
        let members: Vec<Name> = (1..10).map(member_name).collect();
        let mut driver = driver(controller_name(), &members, true);
        service.add(driver.clock().now(), controller);
        driver.serve(service, Audience::Everybody);
        Self { driver, store, group, changes: Vec::new() }
    }

    /// Serves until it is dropped.
    async fn run(&mut self) {
        loop {
            match self.driver.next().await.unwrap() {
                Happening::Group(GroupNews::Propose { group, proposal }) => {
                    assert_eq!(group, NEWS);
                    let append =
                        Append { group: &self.group, seq: proposal.seq, record: proposal.record.expose() };
                    self.store.append(&[append]).pop().unwrap().unwrap();
                    let stored = self
                        .driver
                        .with_service(|now, service, endpoint| service.stored(now, endpoint, NEWS));
                    stored.unwrap().unwrap();
                }
                Happening::Group(GroupNews::Changed { epoch, joined, left, .. }) => {
                    self.changes.push((epoch, joined, left));
                }
                _ => {}
            }
        }
    }

    fn controller(&self) -> &Controller {
        self.driver.service().unwrap().controller(NEWS).unwrap()
    }
}

/// Waits for what `wanted` takes of a driver.
async fn until<T>(driver: &mut Driver, mut wanted: impl FnMut(Happening) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(driver.next().await.unwrap()) {
            return found;
        }
    }
}

/// Lets `task` end while the controller works.
async fn with<T>(desk: &mut Desk, task: impl Future<Output = T>) -> T {
    let both = async {
        tokio::select! {
            () = desk.run() => unreachable!(),
            done = task => done,
        }
    };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("it goes on within twenty seconds")
}

async fn join(desk: &mut Desk, n: u8) -> (Driver, GroupHandle) {
    let mut member = driver(member_name(n), &[controller_name()], false);
    let request = GroupRequest { group: NEWS.to_vec(), roles: BOTH, ssrcs: 1 };
    member.join(desk.driver.local_addr(), controller_name(), request, Timing::default()).unwrap();
    let group = with(
        desk,
        until(&mut member, |happening| match happening {
            Happening::Event(AgentEvent::GroupJoined { group, .. }) => Some(group),
            Happening::Event(AgentEvent::CallFailed { why, .. }) => panic!("{why}"),
            _ => None,
        }),
    );
    let group = group.await;
    (member, group)
}

fn epoch(member: &Driver, group: GroupHandle) -> u32 {
    member.agent().member(group).unwrap().epoch()
}

/// Waits until a member has the epoch of the controller.
async fn catch_up(desk: &mut Desk, member: &mut Driver, group: GroupHandle) {
    let wanted = desk.controller().epoch();
    if epoch(member, group) == wanted {
        return;
    }
    let there = until(member, |happening| match happening {
        Happening::Event(AgentEvent::GroupEpoch { epoch, .. }) => (epoch == wanted).then_some(()),
        _ => None,
    });
    with(desk, there).await;
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x55; 160]);
    packet
}

fn ssrc(member: &Driver, group: GroupHandle) -> u32 {
    let member = member.agent().member(group).unwrap();
    member.senders().find(|sender| sender.yours).unwrap().ssrc
}

async fn hears(desk: &mut Desk, member: &mut Driver, group: GroupHandle, packet: &[u8]) {
    let heard = with(
        desk,
        until(member, |happening| match happening {
            Happening::Media(media) => Some(media),
            _ => None,
        }),
    );
    let heard = heard.await;
    assert_eq!((heard.group, heard.cs_id, heard.kind), (Some(group), 1, Kind::Rtp));
    assert_eq!(heard.packet, packet);
}

#[tokio::test]
async fn three_join_speak_are_rekeyed_and_leave() {
    let mut desk = Desk::new();
    let (mut a, group) = join(&mut desk, 1).await;
    let (mut b, same) = join(&mut desk, 2).await;
    let (mut c, _) = join(&mut desk, 3).await;
    assert_eq!(group, same);
    assert_eq!(desk.controller().len(), 3);
    for member in [&mut a, &mut b, &mut c] {
        catch_up(&mut desk, member, group).await;
    }
    let others = [b.local_addr(), c.local_addr()];
    let packet = rtp(ssrc(&a, group), 1);
    a.send_group_media(group, 1, Kind::Rtp, &packet, &others).unwrap();
    hears(&mut desk, &mut b, group, &packet).await;
    hears(&mut desk, &mut c, group, &packet).await;
    assert!(a.send_group_media(group, 1, Kind::Rtp, &rtp(1, 1), &others).is_err(), "an ssrc of nobody");

    // New keys: all of them go on under the next epoch.
    let before = desk.controller().epoch();
    desk.driver.with_service(|now, service, _| service.rekey(now, NEWS)).unwrap().unwrap();
    let changed = async {
        while desk.controller().epoch() == before {
            let turn = tokio::time::timeout(Duration::from_millis(50), desk.run()).await;
            assert!(turn.is_err());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), changed).await.unwrap();
    for member in [&mut a, &mut b, &mut c] {
        catch_up(&mut desk, member, group).await;
        assert_eq!(epoch(member, group), before + 1);
    }
    let packet = rtp(ssrc(&b, group), 7);
    b.send_group_media(group, 1, Kind::Rtp, &packet, &[a.local_addr()]).unwrap();
    hears(&mut desk, &mut a, group, &packet).await;

    // One leaves, one is expelled.
    a.leave(group).unwrap();
    let left = until(&mut a, |happening| match happening {
        Happening::Event(AgentEvent::GroupLeft { expelled, .. }) => Some(expelled),
        _ => None,
    });
    assert!(!with(&mut desk, left).await);
    desk.driver.with_service(|now, service, _| service.expel(now, NEWS, &member_name(3))).unwrap().unwrap();
    let expelled = until(&mut c, |happening| match happening {
        Happening::Event(AgentEvent::GroupLeft { expelled, .. }) => Some(expelled),
        _ => None,
    });
    assert!(with(&mut desk, expelled).await);
    catch_up(&mut desk, &mut b, group).await;
    let members: Vec<Name> = desk.controller().members().map(|member| member.name.clone()).collect();
    assert_eq!(members, [member_name(2)]);
    assert!(desk.changes.iter().any(|(_, _, left)| *left == [member_name(1)]), "{:?}", desk.changes);
}

#[tokio::test]
async fn nobody_is_in_before_the_store_has_said_yes() {
    let mut desk = Desk::new();
    let mut member = driver(member_name(1), &[controller_name()], false);
    let request = GroupRequest { group: NEWS.to_vec(), roles: BOTH, ssrcs: 1 };
    member.join(desk.driver.local_addr(), controller_name(), request, Timing::default()).unwrap();
    let joined = |happening: Happening| {
        matches!(happening, Happening::Event(AgentEvent::GroupJoined { .. })).then_some(())
    };
    // The store is away: the record is proposed, and nothing comes of it.
    let seq = tokio::select! {
        () = until(&mut member, joined) => panic!("in before it was stored"),
        seq = until(&mut desk.driver, |happening| match happening {
            Happening::Group(GroupNews::Propose { proposal, .. }) => Some((proposal.seq, proposal.record)),
            _ => None,
        }) => seq,
    };
    let quiet = tokio::time::timeout(Duration::from_millis(200), async {
        tokio::select! {
            () = until(&mut member, joined) => {}
            () = until(&mut desk.driver, |_| None) => {}
        }
    });
    assert!(quiet.await.is_err());
    assert!(desk.controller().is_empty());
    // It is back and has the record: the member is in.
    let append = Append { group: &desk.group, seq: seq.0, record: seq.1.expose() };
    desk.store.append(&[append]).pop().unwrap().unwrap();
    desk.driver.with_service(|now, service, endpoint| service.stored(now, endpoint, NEWS)).unwrap().unwrap();
    with(&mut desk, until(&mut member, joined)).await;
    assert_eq!(desk.controller().len(), 1);
}

#[tokio::test]
async fn whoever_may_not_join_is_refused() {
    let mut desk = Desk::new();
    let mut member = driver(member_name(1), &[controller_name()], false);
    let request = GroupRequest { group: b"other".to_vec(), roles: BOTH, ssrcs: 1 };
    member.join(desk.driver.local_addr(), controller_name(), request, Timing::default()).unwrap();
    let failed = until(&mut member, |happening| match happening {
        Happening::Event(AgentEvent::CallFailed { .. }) => Some(()),
        Happening::Event(AgentEvent::GroupJoined { .. }) => panic!("in a group that nobody serves"),
        _ => None,
    });
    with(&mut desk, failed).await;
    assert!(desk.controller().is_empty());
}
